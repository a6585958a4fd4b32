"""The API's error bodies."""


class ApiError(Exception):
    """Ends a request with {"error": {"code", "message", "details"}}."""

    def __init__(self, status, code, message, details=None, headers=None):
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or {}
        self.body = {"error": {"code": code, "message": message, "details": details}}


def not_found(kind, number):
    return ApiError(404, "not_found", f"{kind} with ID '{number}' not found", {})


def invalid_input(field, *messages):
    details = {"fields": [{"name": field, "messages": list(messages)}]}
    return ApiError(422, "invalid_input", f"invalid input in field '{field}'", details)


def not_unique(message, field):
    return ApiError(409, "uniqueness_error", message, {"fields": [{"name": field}]})
