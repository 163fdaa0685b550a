"""Several workers take the same hub's envelopes in at once, and it is as if one had done it."""

from concurrent.futures import ThreadPoolExecutor
from random import Random

from cloud_bridge.ledger.chain import accepted_ranges
from cloud_bridge.schema import attempts, envelopes, gaps, quarantine
from tests.cloud_bridge.ledger_fixtures import HUB, NOW, Chain, Home, Signing, status


def test_workers_do_not_double_lose_or_block(home: Home, hub: Chain) -> None:
    other = home.register(Chain(Signing(2), hub="hub-2"))  # the same household
    sealed = [(HUB, hub.seal(status(n)).raw, NOW) for n in range(15)]
    sealed += [("hub-2", other.seal(status(n)).raw, NOW) for n in range(15)]

    def work(seed: int) -> list[str]:
        mine = list(sealed)
        Random(seed).shuffle(mine)
        return [one.outcome for at in range(0, 30, 5) for one in home.ledger.take_many(mine[at : at + 5])]

    with ThreadPoolExecutor(3) as workers:
        outcomes = [outcome for each in workers.map(work, range(3)) for outcome in each]
    assert sorted(outcomes) == ["accepted"] * 30 + ["seen-again"] * 60
    assert len(home.rows(envelopes)) == len(set(home.kept())) == len(home.kept()) == 30
    with home.database.reading() as connection:
        assert [accepted_ranges(connection, one.kid, 9) for one in (hub, other)] == [[(1, 15)]] * 2
    assert all(gap.closed_by == "filled" for gap in home.rows(gaps))
    assert (home.rows(attempts), home.rows(quarantine)) == ([], [])
