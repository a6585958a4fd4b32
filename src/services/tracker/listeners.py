"""Reads the report of the tracker's health-check API, which probes each listener and answers 200 whatever it found.

usage: listeners.py URL     ends with 0 when every listener works; its last line says what was seen
"""
import json
import sys
import urllib.request


def failure(one):
    """Why a listener does not work, with its name; nothing when it does. Release 3.0.0 names the address alone."""
    result = one.get("result", {})
    if "Ok" in result:
        return None
    place = one.get("service_binding") or one.get("binding") or one.get("info") or "a listener without a name"
    return f"{place}: {result.get('Err', result)}"


def main():
    # No proxy of the environment: it would answer in place of the tracker.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        report = json.load(opener.open(sys.argv[1], timeout=8))
        status, listeners = report["status"], report.get("details", [])
    except (OSError, ValueError, KeyError, TypeError) as problem:
        sys.exit(f"the health-check API gives no report: {problem}")
    failed = [text for text in map(failure, listeners) if text]
    if status == "None":
        sys.exit("the tracker reports no listener at all")
    if status != "Ok" or failed:
        sys.exit("; ".join(failed) or f"the tracker reports the status {status}, and no listener that fails")
    print(f"all {len(listeners)} work")


main()
