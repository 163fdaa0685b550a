"""What all items of an envelope share: an array whose first element names the type."""

READING, ADDITION, PART, STATEMENT, STATUS, LOST, NEXT_KEY = 1, 2, 3, 4, 5, 6, 7


class Item:
    """What one disclosure holds."""

    number = 0

    def wire(self) -> list[object]:
        raise NotImplementedError
