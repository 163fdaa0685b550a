"""GATT client of a virtual board: procedures of one connection, their results as events.

Status: 0x100 and the ATT error, or NimBLE's own numbers. An indication is confirmed before it is told.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from bumble import att, hci
from bumble.core import UUID, BaseBumbleError
from bumble.device import Connection
from bumble.gatt_client import ServiceProxy

from gateway.simulator.virtual_gatt import ConfirmsFirst

NOT_CONNECTED, TIMED_OUT, UNKNOWN = 7, 13, 14  # BLE_HS_ENOTCONN, BLE_HS_ETIMEOUT, BLE_HS_EUNKNOWN
ATT_ERROR = 0x100
_NOTIFY, _INDICATE = 18, 19
_READ_RESULT, _READ_DONE, _WRITE_DONE = 15, 16, 17
_HEADER = 3  # of a write


class _Hears(ConfirmsFirst):
    """Hands on what comes, whoever subscribed: NimBLE knows no subscriptions."""

    def __init__(self, connection: Connection, tells: Callable[..., None]) -> None:
        super().__init__(connection)
        self._handle = connection.handle
        self._tells = tells

    def on_att_handle_value_notification(self, notification: att.ATT_Handle_Value_Notification) -> None:
        where = (self._handle, notification.attribute_handle)
        self._tells(_NOTIFY, where, notification.attribute_value)

    def on_att_handle_value_indication(self, indication: att.ATT_Handle_Value_Indication) -> None:
        self.send_confirmation(att.ATT_Handle_Value_Confirmation())
        where = (self._handle, indication.attribute_handle)
        self._tells(_INDICATE, where, indication.attribute_value)


class BoardClient:
    """Of one connection, in either role."""

    def __init__(self, connection: Connection, tells: Callable[..., None]) -> None:
        self._connection = connection
        self._tells = tells
        self._client = connection.gatt_client = _Hears(connection, tells)
        self._failures: dict[int, Callable[[int], None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._number = 0

    def gone(self) -> None:
        """The connection ended: what was asked has failed."""
        failures, self._failures = self._failures, {}
        for fail in failures.values():
            fail(NOT_CONNECTED)
        for task in self._tasks:
            task.cancel()

    async def ask(self, procedure: str, *words: Any, mtu: int) -> None:
        """services, characteristics, descriptors, read, write or exchange_mtu; its DONE comes once."""
        work, done = getattr(self, "_" + procedure)(*words, mtu=mtu)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._number = number = self._number + 1
        self._failures[number] = done
        status = 0
        try:
            await work
        except att.ATT_Error as error:
            status = ATT_ERROR + error.error_code
        except TimeoutError:
            status = TIMED_OUT
        except (BaseBumbleError, hci.HCI_Error):
            status = UNKNOWN
        if self._failures.pop(number, None) is not None:
            done(status)

    def _discovered(self, event: int) -> Callable[[int], None]:
        return lambda status: self._tells(event, (self._connection.handle, status))

    def _services(self, uuid: str | None, **_: Any) -> Any:
        async def work() -> None:
            for found in await self._client.discover_services():
                if wanted(found.uuid, uuid):
                    where = (self._connection.handle, found.handle, found.end_group_handle)
                    self._tells(9, where, found.uuid.to_bytes())

        return work(), self._discovered(10)

    def _characteristics(self, start: int, end: int, uuid: str | None, **_: Any) -> Any:
        async def work() -> None:
            service = ServiceProxy(self._client, start, end, UUID.from_16_bits(0))  # type: ignore[no-untyped-call]
            for found in await self._client.discover_characteristics((), service):
                if wanted(found.uuid, uuid):
                    where = (self._connection.handle, found.end_group_handle, found.handle)
                    self._tells(11, (*where, int(found.properties) & 0xFF), found.uuid.to_bytes())

        return work(), self._discovered(12)

    def _descriptors(self, start: int, end: int, **_: Any) -> Any:
        async def work() -> None:
            # NimBLE begins after the handle that it is told.
            found = await self._client.discover_descriptors(start_handle=start + 1, end_handle=end)
            for one in found:
                self._tells(13, (self._connection.handle, one.handle), one.type.to_bytes())

        return work(), self._discovered(14)

    def _read(self, value_handle: int, **_: Any) -> Any:
        handle = self._connection.handle

        async def work() -> None:
            data = await self._client.read_value(value_handle, no_long_read=True)
            self._tells(_READ_RESULT, (handle, value_handle), data)

        return work(), lambda status: self._tells(_READ_DONE, (handle, value_handle, status))

    def _write(self, value_handle: int, value: str, response: bool, **_: Any) -> Any:  # noqa: FBT001
        data = bytes.fromhex(value)[: self._connection.att_mtu - _HEADER]
        work = self._client.write_value(value_handle, data, with_response=response)
        handle = self._connection.handle

        def done(status: int) -> None:
            if response:
                self._tells(_WRITE_DONE, (handle, value_handle, status))

        return work, done

    def _exchange_mtu(self, *, mtu: int) -> Any:
        return self._client.request_mtu(mtu), lambda _: None  # the connection's own event tells the result


def wanted(uuid: UUID, only: str | None) -> bool:
    """Whether this is the one that was asked for; bytes as hex, last byte first."""
    return only is None or uuid.to_bytes().hex() == only
