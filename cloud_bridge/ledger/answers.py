"""Questions that are held for a person, and what an answer does: the measurement is decided about again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from cloud_bridge import placing
from cloud_bridge.ledger import additions, bindings, deciding, holds
from cloud_bridge.measured import Interval
from cloud_bridge.schema import holds as held
from cloud_bridge.schema import measurements
from gateway.wire.errors import MeethubError

SAME, NEW, GO_ON = "same", "new", "go-on"


class AnswerError(MeethubError):
    """An answer that fits no question; codes question-unknown, answer-unfit, citizen-unknown."""


@dataclass(frozen=True)
class Answer:
    """What a person said to a question.

    word: "same" or "new" (possible repeat, other slot), a moment or "from/to" in RFC 3339 (when was it),
    "go-on" (statements are lost). citizen: whose it is, for that question. by: who said so, beginning with
    "answer".
    """

    word: str
    citizen: str | None
    by: str


def answer(connection: Connection, household: str, question: bytes, said: Answer, now_ms: int) -> None:
    """Take a person's answer to an open question of this household; AnswerError when it does not fit."""
    row = connection.execute(
        select(held).where(held.c.question_id == question, held.c.household == household)
    ).first()
    if row is None or row.ended_ms is not None:
        raise AnswerError("question-unknown")
    if row.code in holds.REPEAT_QUESTIONS:
        _repeat(connection, row, said, now_ms)
    elif row.code in holds.WHOSE_QUESTIONS:
        _whose(connection, row, said, now_ms)
    elif row.code == holds.TIME_UNKNOWN:
        _when(connection, row, said, now_ms)
    elif said.word == GO_ON:
        holds.release(connection, row.measurement, now_ms, said.by)
    else:
        raise AnswerError("answer-unfit")
    deciding.decide(connection, row.measurement, now_ms)


def _repeat(connection: Connection, row: Row[Any], said: Answer, now_ms: int) -> None:
    if said.word not in (SAME, NEW):
        raise AnswerError("answer-unfit")
    holds.release(connection, row.measurement, now_ms, said.by)
    if said.word == SAME:
        deciding.settle(connection, row.measurement, deciding.REPEAT, now_ms)
        additions.said_same(connection, row.measurement)


def _whose(connection: Connection, row: Row[Any], said: Answer, now_ms: int) -> None:
    if said.citizen is None or not bindings.lives_there(connection, row.household, said.citizen):
        raise AnswerError("citizen-unknown")
    deciding.assign(connection, row.measurement, said.citizen, said.by)
    holds.release(connection, row.measurement, now_ms, said.by)


def _when(connection: Connection, row: Row[Any], said: Answer, now_ms: int) -> None:
    """Not after it was captured, and at most a day of doubt: then it is placed."""
    chosen = select(measurements.c.placed_high_ms, measurements.c.arrived_ms)
    known = connection.execute(chosen.where(measurements.c.id == row.measurement)).one()
    when = _interval(said.word)
    fits = 0 <= when.low_ms <= when.high_ms <= known.placed_high_ms
    if not fits or not placing.Placed(when, placing.CITIZEN).known:
        raise AnswerError("answer-unfit")
    deciding.place(connection, row.measurement, when, known.arrived_ms)
    holds.release(connection, row.measurement, now_ms, said.by)


def _interval(word: str) -> Interval:
    begin, _, end = word.partition("/")
    try:
        moments = [datetime.fromisoformat(part) for part in (begin, end or begin)]
    except ValueError:
        raise AnswerError("answer-unfit") from None
    if any(moment.tzinfo is None for moment in moments):
        raise AnswerError("answer-unfit", "a time needs its offset")
    low, high = (int(moment.timestamp() * 1000) for moment in moments)
    return Interval(low, high)
