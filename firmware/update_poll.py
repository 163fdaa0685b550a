"""Asks for an update now and then, and starts the board again when one is ready and nobody measures.

What an update needs is loaded for it and dropped after it: a hub asks once a day and has no memory to spare.
"""

import asyncio

from firmware.modules import forget
from gateway.hub.events import log
from gateway.wire.errors import MeethubError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.slots import Slots
    from firmware.update import Source
    from gateway.hub.given import Signer

    MakeSource = Callable[[], Source]
    MakeSlots = Callable[[], Slots]

_LOADED = (
    "firmware.update",
    "firmware.update_manifest",
    "firmware.update_http",
    "firmware.slots",
    "firmware.boot",
)
FIRST_S, EVERY_S, AFTER_FAILURE_S = 600, 24 * 3600, 3600
SPREAD_S = 1800  # at random on top of each, so that not all hubs come at once
LOOK_S = 5
PATIENCE_S = 3600  # a hub that is never quiet starts again all the same


async def run(
    source: "MakeSource",
    hardware: str,
    is_quiet: "Callable[[], bool]",
    restart: "Callable[[], None]",
    slots: "MakeSlots | None" = None,
    folder: str = "",
) -> None:
    """For ever, or until `restart`. source: makes what releases come from, such as an HttpSource.

    is_quiet: nobody measures and nothing is being written. slots: makes the board's, by default this one's.
    folder: of boot.py and the pinned keys.
    """
    wait_s = FIRST_S
    while True:
        await asyncio.sleep(wait_s + _random(SPREAD_S))
        ready = await ask((slots or _of_board)(), source, hardware, folder)
        if ready:
            await _quiet(is_quiet)
            log.warning("update-starts")
            restart()
        wait_s = AFTER_FAILURE_S if ready is None else EVERY_S


async def ask(slots: "Slots", source: "MakeSource", hardware: str, folder: str = "") -> bool | None:
    """Ask once: a newer release is ready to be tried, or not; None when it could not be fetched or taken.

    A release on trial asks nobody: the slot that it would write holds the only release that is known good.
    """
    if slots.on_trial:
        return None
    made = None
    try:
        from firmware.crypto.ed25519 import verify
        from firmware.update import Updater
        from firmware.update_manifest import Keys

        made = source()
        return await Updater(slots, made, Keys(folder, verify), hardware, _boot_version()).check()
    except MeethubError as error:
        log.warning("update-refused", code=error.code, detail=error.detail)
    except (OSError, MemoryError) as error:
        log.warning("update-refused", code="update-not-stored", detail=type(error).__name__)
    finally:
        if made is not None and hasattr(made, "close"):
            await made.close()
        forget(*_LOADED)
    return None


def self_test(signer: "Signer", folder: str = "") -> bool:
    """Whether this release can do what nobody could mend from afar: sign, verify, and fetch its successor."""
    try:
        from firmware.crypto.ed25519 import verify
        from firmware.update import Updater  # noqa: F401 (that it loads is what is tested)
        from firmware.update_http import HttpSource  # noqa: F401
        from firmware.update_manifest import Keys

        Keys(folder, verify)
        data = b"meethub/self-test|" + signer.kid
        key, signature = signer.public_key, signer.sign(data)
        return verify(key, signature, data) and not verify(key, signature, data[1:])
    except Exception as error:
        log.error("self-test-failed", why=type(error).__name__)
        return False
    finally:
        forget(*_LOADED)


async def _quiet(is_quiet: "Callable[[], bool]") -> None:
    for _ in range(PATIENCE_S // LOOK_S):
        if is_quiet():
            return
        await asyncio.sleep(LOOK_S)


def _of_board() -> "Slots":
    from firmware import slots

    return slots.of_board()


def _boot_version() -> int:
    """Of the board's own boot.py, which left it in `__main__`; 1 where that is not so."""
    import __main__

    return getattr(__main__, "VERSION", 1)


def _random(most: int) -> int:
    import os

    return int.from_bytes(os.urandom(4), "big") % most
