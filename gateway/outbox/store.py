"""The outbox's one connection to its file: opened, checked, committed with one sync, mended after faults.

SQLite in WAL mode with synchronous=FULL: a commit is one fdatasync of the log. Checkpoints happen only
where we say so, never inside a commit that a device waits for.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import structlog

from gateway.hub.errors import OutboxError
from gateway.outbox.pages import PAGE, read_log
from gateway.outbox.rescue import asides, finish, rescue
from gateway.outbox.rows import Key
from gateway.outbox.schema import DamagedError, check, connect, create, fault, lock, sync, write_setting

# So many commits, then the log is worked into the database: about 2 MB of log.
COMMITS_PER_CHECKPOINT = 64
# Up to this size every index is compared with its table at start; above it only the trees are checked.
CHECKED_WHOLE = 32 << 20
# Kept free for status and 50 readings of the longest evidence that is not sent in parts.
RESERVE = 512 << 10
# What SQLite keeps of the file in memory. By itself it takes 2000, which makes the daemon 1.5 MB larger and
# nothing faster: the kernel has those pages too.
CACHE_KIB = 512

T = TypeVar("T")
log = structlog.get_logger()


class Store:
    """One outbox file. `remembered` gives the keys as held in memory; `rescued` is called after a rescue."""

    def __init__(
        self,
        path: Path,
        limit_bytes: int,
        remembered: Callable[[], list[Key]],
        rescued: Callable[[], None],
        make_room: Callable[[], int],
    ) -> None:
        self.path = path
        self._limit = max(limit_bytes, 4 * PAGE)
        self._reserve = min(RESERVE, limit_bytes // 4)
        self._remembered = remembered
        self._rescued = rescued
        self._make_room = make_room
        self._commits = 0
        self.checkpoint_after = COMMITS_PER_CHECKPOINT
        self._doubtful = False
        self._unscrubbed = False
        self._freeing = False
        self._lock = lock(path)
        try:
            self.connection = self._open()
        except BaseException:
            os.close(self._lock)
            raise

    # One commit.

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """One commit, one sync; `work` may run twice. Nothing of it happened when OutboxError is raised.

        disk-full: no room even after freeing what may be freed. disk-error: the disk failed to write; the
        log is taken back to what was durable before anything else is written. outbox-damaged: even the
        rescued file cannot do it.
        """
        self._mend()
        try:
            return self._commit(work)
        except sqlite3.Error as error:
            self._answer(error)
        try:
            return self._commit(work)
        except sqlite3.Error as error:
            raise OutboxError(fault(error) or "outbox-damaged", str(error)) from error

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Something to read; a damaged file is rescued first."""
        try:
            return work(self.connection)
        except sqlite3.Error as error:
            self._answer(error)
        try:
            return work(self.connection)
        except sqlite3.Error as error:
            raise OutboxError(fault(error) or "outbox-damaged", str(error)) from error

    def _commit(self, work: Callable[[sqlite3.Connection], T]) -> T:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(self.connection)
            self.connection.execute("COMMIT")
        except BaseException:
            # After some errors SQLite has rolled back by itself; where it cannot, the next BEGIN says so.
            with suppress(sqlite3.Error):
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
            raise
        self._commits += 1
        return result

    def _answer(self, error: sqlite3.Error) -> None:
        """Return when a second try makes sense; OutboxError otherwise."""
        code = fault(error)
        if code == "outbox-damaged":
            self._rescue(str(error))
            return
        if code == "disk-full" and self._freed_some():
            return
        if code == "disk-error":
            log.error("disk-error", detail=str(error))
            self._doubtful = True
            with suppress(OutboxError):
                self._mend()
        raise OutboxError(code, str(error)) if code else error

    def _freed_some(self) -> bool:
        if self._freeing:
            return False
        self._freeing = True
        try:
            return self._make_room() > 0
        finally:
            self._freeing = False

    def _mend(self) -> None:
        """After a failed sync: drop from the log what was not acknowledged, and start from what is durable.

        The kernel reports a failed write once and then takes the page for clean (the page cache lies), and a
        fresh connection would replay the unacknowledged commit from there. This connection still knows where
        the durable part ends: only that is worked into the database and synced, then the log is emptied.
        """
        if not self._doubtful:
            return
        try:
            self._checkpoint("TRUNCATE")
            self.connection.close()
            self.connection = self._connect()
            self._open_log()
        except sqlite3.Error as error:
            raise OutboxError("disk-error", str(error)) from error
        self._doubtful = False

    # Checkpoints.

    def tidy(self, patience: int = 1) -> None:
        """Work the log into the database when enough commits stand in it. A failure only postpones it.

        patience: so many times the usual number; 0 whatever there is.
        """
        if self._commits >= max(self.checkpoint_after * patience, 1) or self._unscrubbed:
            self._postponable("TRUNCATE" if self._unscrubbed else "RESTART")

    def scrub(self) -> None:
        """Leave no copy of erased content: empty the log, delete damaged files that were kept aside."""
        self._unscrubbed = True  # until a checkpoint gets through: a reader may hold the log
        self._postponable("TRUNCATE")
        for kept in asides(self.path):
            kept.unlink(missing_ok=True)

    def _postponable(self, how: str) -> None:
        try:
            self._checkpoint(how)
        except sqlite3.Error as error:
            self._doubtful = self._doubtful or fault(error) == "disk-error"
            log.warning("checkpoint-postponed", detail=str(error))

    def _checkpoint(self, how: str) -> None:
        (busy, *_) = self.connection.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
        if busy:
            raise sqlite3.OperationalError("a reader holds the log")
        self._unscrubbed = self._unscrubbed and how != "TRUNCATE"
        self._open_log()

    def _open_log(self) -> None:
        """A small commit starts the log afresh: the sync of the log's header falls here, not on a reading."""
        self._commit(lambda connection: write_setting(connection, "log", b"open"))
        self._commits = 0

    # Space.

    def used_bytes(self) -> int:
        query = "SELECT page_count - freelist_count FROM pragma_page_count, pragma_freelist_count"
        (pages,) = self.read(lambda connection: connection.execute(query).fetchone())
        return int(pages) * PAGE

    def room_bytes(self) -> int:
        """What may be used in all: the limit or what the disk has, whichever is less, without the reserve."""
        used = self.used_bytes()
        return max(min(self._limit, used + shutil.disk_usage(self.path.parent).free) - self._reserve, 1)

    # Opening, closing, rescuing.

    def close(self) -> None:
        """Work the log into the database and let go of the file."""
        self._postponable("TRUNCATE")
        self.connection.close()
        os.close(self._lock)

    def _open(self) -> sqlite3.Connection:
        finish(self.path)
        written = read_log(self.path)
        # A log without its database: SQLite would delete it.
        orphaned = bool(written.frames) and not (self.path.exists() and self.path.stat().st_size)
        suspect = written.suspect or orphaned
        try:
            return self._checked(suspect=suspect)
        except (sqlite3.Error, DamagedError) as error:
            if fault(error) != "outbox-damaged":
                raise OutboxError(fault(error) or "disk-error", str(error)) from error
            return self._opened_after_rescue(error, suspect=suspect)

    def _opened_after_rescue(self, error: Exception, *, suspect: bool) -> sqlite3.Connection:
        try:
            self.path.touch(0o600)
            rescue(self.path, self._remembered())
            return self._checked(suspect=False)
        except (sqlite3.Error, OSError, DamagedError) as failed:
            log.error("rescue-failed", detail=str(failed))
            if suspect:  # no room to rescue what SQLite would drop: better that than no hub at all
                with suppress(sqlite3.Error, DamagedError):
                    return self._checked(suspect=False)
            raise OutboxError("outbox-damaged", str(error)) from failed

    def _checked(self, *, suspect: bool) -> sqlite3.Connection:
        """A connection to a file that is whole, all of it durable. DamagedError when it is not."""
        if suspect:
            raise DamagedError("the log breaks off within what was written")
        if not self.path.exists():
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
        self.connection = connection = self._connect()
        try:
            if _is_new(connection, self.path):
                create(connection)
                sync(self.path.parent)
            check(connection, whole=self.path.stat().st_size <= CHECKED_WHOLE)
            # What the last run left in the log may never have reached the disk: make it durable before use.
            self._checkpoint("TRUNCATE")
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = connect(self.path)
        try:
            self._set_up(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_up(self, connection: sqlite3.Connection) -> None:
        for pragma in (
            f"page_size = {PAGE}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "wal_autocheckpoint = 0",
            "secure_delete = ON",
            "cell_size_check = ON",
            "trusted_schema = OFF",
            "temp_store = MEMORY",
            "busy_timeout = 2000",
            f"cache_size = -{CACHE_KIB}",
            f"max_page_count = {self._limit // PAGE}",
        ):
            connection.execute("PRAGMA " + pragma).close()

    def _rescue(self, detail: str) -> None:
        log.error("outbox-damaged", detail=detail)
        with suppress(sqlite3.Error):
            self.connection.close()
        self.connection = self._opened_after_rescue(DamagedError(detail), suspect=False)
        self._rescued()


def _is_new(connection: sqlite3.Connection, path: Path) -> bool:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return version == 0 and path.stat().st_size <= PAGE
