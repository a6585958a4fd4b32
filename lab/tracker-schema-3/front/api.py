"""The REST API: who may ask, what is new, and what is refused; the engine answers the rest."""
import hmac
import json
from urllib.parse import parse_qsl, quote

from . import log
from .web import Answer

TARGET = "API"


def rejected(reason):
    return Answer.text(f'Unhandled rejection: Err {{ reason: "{reason}" }}', 500)


def conflict(reason):
    return Answer.json(json.dumps({"status": "err", "reason": reason}, separators=(",", ":")), 409)


class Api:
    """The API's listener."""

    def __init__(self, config, engine, figures, carry):
        self.engine, self.figures, self.carry = engine, figures, carry
        self.core, self.tokens = config["core"], list(config["http_api"]["access_tokens"].values())

    async def answer(self, request):
        uri = f"{request.path}?{request.query}" if request.query else request.path
        log.info(TARGET, f"request method={request.method} uri={uri}")
        if request.path == "/api/health_check":
            return await self.engine.api.ask(request.method, request.path)
        pairs = parse_qsl(request.query, keep_blank_values=True)
        refusal = self.refusal(request, dict(pairs))
        if refusal:
            return refusal
        wanted = dict(pairs).get("format")
        if request.path == "/api/v1/stats" and request.method == "GET":
            return self.stats(await self.figures.stats(), wanted)
        if request.path == "/api/v1/metrics" and request.method == "GET":
            await self.figures.read()
            metrics = self.figures.metrics
            return Answer.text(metrics.prometheus()) if wanted == "prometheus" else Answer.json(metrics.json())
        return self.missing(request.path) or await self.passed_on(request, pairs)

    def refusal(self, request, query):
        """The header wins over the parameter."""
        header = request.header("authorization")
        if header is not None:
            kind, _, token = header.partition(" ")
            if kind != "Bearer":
                return rejected("unknown token provided")
        elif "token" in query:
            token = query["token"]
        else:
            return rejected("unauthorized")
        # The lists of bytes may not be told apart by the time that it takes.
        known = [hmac.compare_digest(token.strip().encode(), own.encode()) or hmac.compare_digest(token.encode(), own.encode()) for own in self.tokens]
        return None if any(known) else rejected("token not valid")

    @staticmethod
    def stats(stats, wanted):
        if wanted != "prometheus":
            return Answer.json(json.dumps(stats, separators=(",", ":")))
        numbers = ((name, int(value) if isinstance(value, bool) else value) for name, value in stats.items())
        return Answer.text("\n".join(f"{name} {value}" for name, value in numbers))

    def missing(self, path):
        """What this configuration has not."""
        part = path.removeprefix("/api/v1/").split("/")[0]
        if part == "whitelist" and not self.core["listed"]:
            return conflict("the whitelist is not available: the tracker is not running in listed mode")
        if part in ("key", "keys") and not self.core["private"]:
            return conflict("authentication keys are not available: the tracker is not running in private mode")
        return None

    async def passed_on(self, request, pairs):
        if request.path.endswith("/reload"):
            await self.carry.read()
        query = "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs if name != "token")
        kind = request.header("content-type")
        answer = await self.engine.ask_api(
            request.method, request.path, query, {"content-type": kind} if kind else {}, request.body
        )
        if request.method != "GET" and answer.status == 200:
            try:
                await self.carry.write()
            except Exception as error:  # Whatever the server's library raises is the answer's reason.
                log.error("DATABASE", f"a write failed: {error}")
                return rejected(f"failed to write to the database: {type(error).__name__}")
        return answer


