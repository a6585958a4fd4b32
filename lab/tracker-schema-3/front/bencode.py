"""Bencoding, as far as a tracker's answers need it."""


def decode(data):
    value, end = item(data, 0)
    if end != len(data):
        raise ValueError("there is more after the value")
    return value


def item(data, at):
    kind = data[at : at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if kind == b"l":
        values, at = [], at + 1
        while data[at : at + 1] != b"e":
            value, at = item(data, at)
            values.append(value)
        return values, at + 1
    if kind == b"d":
        values, at = {}, at + 1
        while data[at : at + 1] != b"e":
            key, at = item(data, at)
            values[key], at = item(data, at)
        return values, at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    if end > len(data):
        raise ValueError("the text is cut off")
    return data[colon + 1 : end], end


def failure(reason):
    """The answer of an HTTP tracker that refuses."""
    text = reason.encode()
    return b"d14:failure reason%d:%se" % (len(text), text)
