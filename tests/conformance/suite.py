"""Runs Autobahn's cases and prints what came of each, as one JSON object a line.

suite.py client URL CASE...        against the server at URL
suite.py server HOST:PORT CASE...  against a client that connects there; the first line says when it may
"""

import asyncio
import hashlib
import json
import os
import sys

from kosoku import FailureError, run_fuzzingclient, run_fuzzingserver

# Cases run side by side; more would only wait for the two cores of a small machine.
AT_ONCE = 2


def told(case):
    received = hashlib.sha256(repr(case.received).encode()).hexdigest()[:16]
    return {
        "case": case.case_id,
        "behavior": case.behavior.value,
        "close": case.behavior_close.value,
        "code": case.remote_close_code,
        "clean": case.was_clean,
        "received": received,
        "count": len(case.received),
    }


async def main():
    mode, where, *cases = sys.argv[1:]
    try:
        if mode == "client":
            results = await run_fuzzingclient(where, cases, None, concurrency=AT_ONCE)
        else:
            host, port = where.split(":")
            async with run_fuzzingserver(cases, None, host=host, port=int(port)) as server:
                print("listening", flush=True)
                results = await server.get_result()
    except FailureError as failure:
        results = failure.results
    for case in results:
        print(json.dumps(told(case)))
    sys.stdout.flush()
    # Without the interpreter's own end, in which the native part is not always well.
    os._exit(0)


asyncio.run(main())
