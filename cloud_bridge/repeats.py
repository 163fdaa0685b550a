"""Whether a record that is known was only read again, or may have been made anew. Pure rules.

*Seen again* must be certain; it is accepted and not delivered. A device can make the
same record key twice only if its clock (or record counter, where the key holds no time) passes the same
value twice. So we keep what the clock stood at, and when (anchors), and tell from two neighbouring anchors
which values it may have passed between them. docs/decisions/0006-whose-and-again.md has the reasoning.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cloud_bridge.measured import Interval

TIME = "time"
FIRST, AGAIN, POSSIBLE = "first", "again", "possible-repeat"

# Two readings of a clock that ran on may differ by this: within one boot of the hub the time between is
# exact, else it is told from wall clocks that may each be a minute off.
SAME_BOOT_SLACK_S, SLACK_S = 20, 120
# What a cheap quartz loses or gains, per 10,000 s (4 minutes a month). A step back that is smaller than slack
# and drift together cannot be seen: it hides a repeat only of what was measured in just those seconds before.
_DRIFT = 1
# Above every value of a clock or counter.
NO_END = 1 << 62


@dataclass(frozen=True)
class Anchor:
    """What a device's clock stood at while a hub was connected: start at mono_ms, end at mono_end_ms.

    at_ms: its place in the order of all anchors. captured: bridge time of its beginning. written: the hub set
    the clock in this visit, to written_to as far as that is known. Seconds on the device's own clock.
    """

    at_ms: int
    captured: Interval
    kid: bytes
    boot: bytes
    mono_ms: int
    mono_end_ms: int
    start: int
    end: int
    written: bool = False
    written_to: int | None = None


@dataclass(frozen=True)
class Passage:
    """Between two moments (by anchor order) the clock may have passed every value in (low, high].

    step: it ran back or jumped in between, so each value can have been passed once more.
    """

    from_ms: int
    to_ms: int
    low: int
    high: int
    step: bool


def elapsed_s(before: Anchor, after: Anchor) -> tuple[int, int]:
    """The least and the most true time between the ends of two anchors, in whole seconds."""
    if before.boot == after.boot and before.kid == after.kid:
        exact = max(0, after.mono_end_ms - before.mono_end_ms)
        return exact // 1000, -(-exact // 1000)
    earlier, later = before.mono_end_ms - before.mono_ms, after.mono_end_ms - after.mono_ms
    low = after.captured.low_ms + later - before.captured.high_ms - earlier
    high = after.captured.high_ms + later - before.captured.low_ms - earlier
    return max(0, low // 1000), max(0, -(-high // 1000))


def passed(before: Anchor, after: Anchor) -> list[Passage]:
    """What the clock passed between two neighbouring anchors, if it was set or restarted at most once.

    A clock that ran on passed just what lies between. After one step, back or forward, it had first run on
    from the first value, and then up to the second one, for no longer than the time between.
    """
    low_s, high_s = elapsed_s(before, after)
    slack = SAME_BOOT_SLACK_S if before.boot == after.boot else SLACK_S
    reach = high_s + high_s * _DRIFT // 10_000 + slack
    least = low_s - low_s * _DRIFT // 10_000 - slack
    start = before.written_to if before.written else before.end
    span = (before.at_ms, after.at_ms)
    if start is not None and least <= after.end - start <= reach:
        low = start - slack if before.written else start
        return [Passage(*span, low, after.end, step=False)] if after.end > low else []
    starts = {before.end} if start is None else {before.end, start}
    return [
        *(Passage(*span, one, one + reach, step=True) for one in sorted(starts)),
        Passage(*span, after.end - reach - 1, after.end, step=True),
    ]


def running_on(last: Anchor, until: Interval, at_ms: int) -> Passage:
    """What the clock has passed since its last anchor, at a capture that did not read it."""
    since = last.captured.low_ms + last.mono_end_ms - last.mono_ms
    span_s = max(0, until.high_ms - since) // 1000 + 1
    low = last.end if last.written_to is None else min(last.end, last.written_to)
    high = max(last.end, last.written_to or last.end) + span_s + span_s * _DRIFT // 10_000 + SLACK_S
    return Passage(last.at_ms, at_ms, low, high, step=False)


def shown_by_record(
    value: int, highest: int, since: Interval, until: Interval, span: tuple[int, int]
) -> list[Passage]:
    """What a new record tells of a clock that is not offered.

    value: its own time; highest: that of the records which the same hub key captured earlier, the last at
    `since`. A value not above it shows that the clock ran back: it stood there at some moment in between, so
    it passed no more than the time between, before and after.
    """
    reach = max(0, until.high_ms - since.low_ms) // 1000 + SLACK_S
    if value <= highest:
        return [Passage(*span, value - reach, value + reach, step=True)]
    if value - highest <= reach:
        return [Passage(*span, highest, value, step=False)]
    forward = Passage(*span, highest, highest + reach, step=True)
    return [forward, Passage(*span, value - reach - 1, value, step=True)]


def counted_by_record(value: int, highest: int, span: tuple[int, int]) -> list[Passage]:
    """The same for record numbers, which follow no time: a counter that ran back may have begun anywhere."""
    if value > highest:
        return [Passage(*span, highest, value, step=False)]
    return [Passage(*span, highest, NO_END, step=True), Passage(*span, -1, value, step=True)]


def may_be_new(own: int | None, first_ms: int, again_ms: int, passages: Iterable[Passage]) -> bool:
    """Whether a known record, first captured at first_ms, can have been made anew before again_ms.

    own: its time (or number) as in its key; None when that cannot be told, then any step is enough. What the
    clock passed before the first capture does not count, unless it stepped around that very time.
    """
    for one in passages:
        inside = one.step if own is None else one.low < own <= one.high
        after = one.from_ms >= first_ms or (one.step and one.to_ms > first_ms)
        if inside and after and one.from_ms < again_ms:
            return True
    return False


def same_live(window_ms: int, one: Interval, other: Interval) -> bool | None:
    """Whether two captures of the same bytes are one live measurement; None when that is undecidable.

    window_ms: within this two equal results of such a device cannot be two measurements.
    """
    furthest = max(one.high_ms - other.low_ms, other.high_ms - one.low_ms)
    nearest = max(0, one.low_ms - other.high_ms, other.low_ms - one.high_ms)
    if furthest < window_ms:
        return True
    return False if nearest >= window_ms else None
