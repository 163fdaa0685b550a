"""What the runs before this one left, and which release runs now. What is rare is loaded when it happens."""

from firmware.modules import forget

_LOADED = ("firmware.boot", "firmware.slots", "firmware.crash")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.hub.given import Signer


class Past:
    """sequence: of the release that runs, 0 without one. failed: of the one that was given up last, or 0.

    on_trial: it must confirm itself, or the former one comes back.
    """

    def __init__(self) -> None:
        import machine

        from firmware import crash, slots

        running = slots.of_board()
        self.sequence, self.failed, self.on_trial = running.sequence, running.state.failed, running.on_trial
        crashes = crash.Crashes("")
        crashes.started(machine.reset_cause() == machine.WDT_RESET, self.sequence)
        self._crashes = crashes if crashes.count else None
        del crash, slots, running, crashes
        forget(*_LOADED)

    def facts(self, sequence: int) -> dict[str, int]:
        """For the status that goes in the envelope of this sequence."""
        found = {"release": self.sequence}
        if self.failed:
            found["release-failed"] = self.failed
        if self._crashes is not None:
            self._crashes.carried(sequence)
            found.update(self._crashes.facts())
        return found

    def accepted(self, accepts: "Callable[[int], bool]") -> None:
        """The bridge says which sequences it holds: a crash that it knows of is forgotten here."""
        if self._crashes is not None and self._crashes.accepted(accepts):
            self._crashes = None

    def confirm(self, signer: "Signer") -> bool:
        """The bridge answered a release on trial: it stays if it passes its own test too. Whether it does."""
        from firmware import slots, update_poll

        self.on_trial = not slots.confirm(slots.of_board(), update_poll.self_test(signer), True)
        del slots, update_poll
        forget("firmware.update_poll", *_LOADED)
        return not self.on_trial

    def note(self, error: BaseException) -> None:
        """An exception that nobody handled ends this run."""
        from firmware import crash

        crash.Crashes("").note(error, self.sequence)

    def note_starved(self, task: str) -> None:
        """A task stands still, so the watchdog ends this run."""
        from firmware import crash

        crash.Crashes("").starved(task, self.sequence)
