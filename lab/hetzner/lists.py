"""Lists as the API answers them: filtered, sorted, in pages."""
import math
import re

from errors import invalid_input

LONGEST_PAGE = 50
SET = re.compile(r"^(\S+)\s+(in|notin)\s+\((.*)\)$")


def number(query, name, default):
    text = query.get(name, [str(default)])[0]
    if not text.isdigit() or int(text) < 1:
        raise invalid_input(name, "must be a positive number")
    return int(text)


def matches(labels, selector):
    """A label selector: `a`, `!a`, `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, joined by commas."""
    terms = [term.strip() for term in re.split(r",(?![^(]*\))", selector) if term.strip()]
    return all(term_matches(labels, term) for term in terms)


def term_matches(labels, term):
    among = SET.match(term)
    if among:
        values = [value.strip() for value in among[3].split(",")]
        return (labels.get(among[1]) in values) == (among[2] == "in")
    key, sign, value = re.match(r"^(!?[^=!]+)\s*(!=|==|=|)\s*(.*)$", term).groups()
    if sign:
        return (labels.get(key.strip()) == value) == (sign != "!=")
    return term[1:].strip() not in labels if term.startswith("!") else term in labels


def chosen(records, query):
    for name in ("id", "name", "status", "architecture", "type", "fingerprint"):
        if name in query:
            wanted = query[name]
            records = [record for record in records if str(record.get(name)) in wanted]
    if "label_selector" in query:
        selector = query["label_selector"][0]
        records = [record for record in records if matches(record.get("labels") or {}, selector)]
    for order in reversed(query.get("sort", [])):
        key, _, way = order.partition(":")
        records = sorted(records, key=lambda record: (record.get(key) is None, record.get(key)), reverse=way == "desc")
    return records


def page(kind, records, query):
    records = chosen(records, query)
    this, size = number(query, "page", 1), min(number(query, "per_page", 25), LONGEST_PAGE)
    last = max(1, math.ceil(len(records) / size))
    meta = {
        "page": this, "per_page": size, "previous_page": this - 1 if this > 1 else None,
        "next_page": this + 1 if this < last else None, "last_page": last, "total_entries": len(records),
    }
    return {kind: records[(this - 1) * size:this * size], "meta": {"pagination": meta}}
