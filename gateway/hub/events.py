"""What the hub tells its log: events with codes and short keys, nothing personal.

On a computer they go where structlog was told to write; elsewhere each is a line, until `send_to`.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gateway.hub.given import Sink


class Log:
    """Hands each event to a sink: its level, its name and what is known of it."""

    def __init__(self, sink: "Sink") -> None:
        self._sink = sink

    def send_to(self, sink: "Sink") -> None:
        """From here on events go to this sink."""
        self._sink = sink

    def info(self, event: str, **facts: object) -> None:
        self._sink("info", event, facts)

    def warning(self, event: str, **facts: object) -> None:
        self._sink("warning", event, facts)

    def error(self, event: str, **facts: object) -> None:
        self._sink("error", event, facts)


def _printed(level: str, event: str, facts: dict[str, object]) -> None:
    print(level, event, " ".join([f"{name}={facts[name]}" for name in sorted(facts)]))


def _structured(level: str, event: str, facts: dict[str, object]) -> None:
    getattr(get_logger(), level)(event, **facts)


try:
    from structlog import get_logger
except ImportError:  # an ESP32
    log = Log(_printed)
else:
    log = Log(_structured)
