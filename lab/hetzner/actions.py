"""Actions: work that goes on after the answer. They stay listable, and go on after a restart."""
import threading
from concurrent.futures import ThreadPoolExecutor

from store import now, public

RUNNING = "running"
WORKERS = 4


class Actions:
    def __init__(self, store):
        self.store = store
        self.pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="action")
        self.stopping = threading.Event()
        # What a command does: called with the id of the action's first resource.
        self.jobs = {}

    def begin(self, commands, resources, effects):
        """Actions done one after the other. A fault of the request concerns the first; then the others fail with it."""
        records = [self.record(command, resources) for command in commands]
        slow, fails = effects.get("slow_action"), effects.get("action_fails")
        first = self.store.get("actions", records[0]["id"])
        with self.store.change():
            first["_seconds"] = (slow or {}).get("seconds", 10) if slow else 0
            first["_fails"] = fails and {
                "code": fails.get("code", "server_error"),
                "message": fails.get("message", "the action failed in the backend"),
            }
        self.pool.submit(self.run, [record["id"] for record in records])
        return [public(record) for record in records]

    def record(self, command, resources):
        return self.store.add("actions", {
            "command": command, "status": RUNNING, "progress": 0, "started": now(), "finished": None,
            "resources": resources, "error": None,
        })

    def done(self, command, resources):
        """An action that has nothing to wait for."""
        record = self.record(command, resources)
        self.finish(record["id"], None)
        return public(record)

    def run(self, numbers):
        failure = None
        for number in numbers:
            failure = failure or self.run_one(self.store.get("actions", number))
            if self.stopping.is_set():
                return
            self.finish(number, failure)

    def run_one(self, action):
        if self.stopping.wait(action.get("_seconds", 0)):
            return None
        self.store.update("actions", action["id"], progress=50)
        fails = action.get("_fails")
        # A server whose creation failed is there and costs; whatever else failed was not done.
        if fails and action["command"] != "create_server":
            return fails
        try:
            self.jobs.get(action["command"], lambda _: None)(action["resources"][0]["id"])
        except Exception as error:  # whatever it is, the action must come to its end
            return {"code": "server_error", "message": str(error)}
        return fails

    def finish(self, number, failure):
        status = "error" if failure else "success"
        self.store.update("actions", number, status=status, error=failure, progress=100, finished=now())

    def running(self, resource):
        actions = self.store.all("actions")
        return any(action["status"] == RUNNING and resource in action["resources"] for action in actions)

    def resume(self):
        """What was running when the emulator was killed is done again: each job can be done twice."""
        running = [action for action in self.store.all("actions") if action["status"] == RUNNING]
        groups = {}
        for action in sorted(running, key=lambda action: action["id"]):
            groups.setdefault(str(action["resources"][0]), []).append(action["id"])
        for numbers in groups.values():
            self.pool.submit(self.run, numbers)

    def stop(self):
        self.stopping.set()
        self.pool.shutdown(wait=True)
