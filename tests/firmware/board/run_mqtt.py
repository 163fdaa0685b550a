"""Prints what the reader makes of each stream of the corpus, one line a stream; argument: how many."""

import asyncio
import sys

sys.path.insert(0, "tests/firmware/board")

import mqtt_corpus

from firmware import mqtt


async def main():
    for streams in (mqtt_corpus.GOOD, mqtt_corpus.BAD, mqtt_corpus.damaged(int(sys.argv[1]))):
        for data in streams:
            print("; ".join(await mqtt_corpus.heard(mqtt, data)))


asyncio.run(main())
