"""Checks the external database from the tracker's place, as root in /opt/torrust: its network and its name resolution.

usage: look.py                 prints one line; exit code 0 when the tracker can work with the database
       look.py ask STATEMENT   prints what the server answers, one row per line

The client runs in a container of the database's own image, when the host has it, with the tracker's user and password.
Without that image only the server's greeting is read, by this program itself. No image is pulled. The check writes nothing
to the database; a statement of `ask` may.
"""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
LABEL = "org.torrust.deployer=look"
KINDS = {"mysql": "MySQL", "postgresql": "PostgreSQL"}
# The oldest versions that the tracker's own project tests.
OLDEST = {"mysql": 8, "postgresql": 14}
TABLES = ["keys", "torrents", "whitelist"]
METRICS = "torrent_aggregate_metrics"
# For all of it; a connection gets three.
SECONDS = 9

# What a client complains of, and what that means. The first pattern that fits counts.
FAULTS = {
    "mysql": [
        (r"ERROR 2005 ", "name"),
        (r"ERROR 2003 .*\(111\)", "refused"),
        (r"ERROR 2003 .*\((110|115|4)\)|ERROR 2013 .*reading initial communication packet.* 110", "silent"),
        (r"ERROR 2003 .*\((101|113)\)", "route"),
        (r"ERROR 1045 |ERROR 1698 ", "password"),
        (r"ERROR (1049|1044) ", "database"),
        (r"ERROR (1130|1129) ", "host"),
        (r"ERROR (1040|1203) ", "full"),
        (r"ERROR (2026|3159) ", "tls"),
        (r"ERROR (2006|2007|2012|2013|2027|1043|1047) ", "kind"),
    ],
    "postgresql": [
        (r"could not translate host name", "name"),
        (r"Connection refused", "refused"),
        (r"timeout expired|[Tt]imed out", "silent"),
        (r"No route to host|[Nn]etwork is unreachable", "route"),
        (r"password authentication failed|no password supplied|role .* does not exist|not permitted to log in", "password"),
        (r"database .* does not exist|permission denied for database", "database"),
        (r"no pg_hba.conf entry|pg_hba.conf rejects", "host"),
        (r"too many (clients|connections)|remaining connection slots", "full"),
        (r"SSL error|certificate|requires? SSL", "tls"),
        (r"SSL negotiation|server closed the connection|authentication request|protocol|unexpected message", "kind"),
    ],
}


class Fault(Exception):
    """Why the tracker cannot work with the database."""


def words(fault, server):
    """What is wrong, and where to look."""
    place, kind = f"{server['host']} port {server['port']}", KINDS[server["driver"]]
    user, database = server["user"], server["database"]
    return {
        "name": f"the name {server['host']} cannot be resolved in the tracker's container",
        "refused": f"{place} refuses the connection: is the server running, and does it listen on that address?",
        "silent": f"{place} does not answer in time: is the server running, and does a firewall let the host in?",
        "route": f"there is no route from the tracker's container to {place}",
        "password": f"the server refuses the user {user}: is the password right?",
        "database": f"the server has no database {database} that the user {user} may use",
        "host": f"the server does not accept the user {user} from this host's address",
        "full": "the server has no connection left",
        "tls": "the encrypted connection to the server fails, or the server insists on one",
        "kind": f"the server at {place} does not speak {kind}'s protocol: is it {kind}?",
    }[fault]


def judge_complaint(server, complaint):
    for pattern, fault in FAULTS[server["driver"]]:
        if found := re.search(f".*({pattern}).*", complaint):
            return Fault(f"{words(fault, server)} ({found[0].strip()})")
    return Fault(f"the database cannot be checked: {complaint.strip() or 'the client said nothing'}")


def docker(*args, **options):
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.run(["docker", *args], **pipes, **options, check=False)


def the_tracker():
    """The id of the tracker's container while it runs and is healthy; one that starts again and again has no lasting network."""
    labels = ["label=com.docker.compose.project.working_dir=/opt/torrust", "label=com.docker.compose.service=tracker", "health=healthy"]
    found = docker("ps", "--quiet", "--no-trunc", *(word for label in labels for word in ("--filter", label)))
    return found.stdout.split()[0] if found.stdout.split() else None


def project():
    """The name of the release's Compose project, which its networks begin with; without one Compose takes the folder's."""
    with open(os.path.join(os.path.dirname(HERE), "docker-compose.yml"), encoding="utf-8") as file:
        named = re.search(r"(?m)^name: *(\S+)", file.read())
    return named[1] if named else "torrust"


def place():
    """The network of the tracker's container, or, while it does not run, the network that it would be in."""
    if tracker := the_tracker():
        return f"container:{tracker}"
    network = f"{project()}_tracker"
    if docker("network", "inspect", "--format", "-", network).returncode:
        raise Fault("the stack was not started on this host yet: there is no network to check the database from")
    return network


# Whether the user may create tables in the database: by its own grants, whose database is a pattern. What a role of MySQL 8
# grants is not in these tables, so a user with a role is taken to have the right.
MAY_CREATE = (
    "SELECT COUNT(*) /*!80000 + (CURRENT_ROLE() <> 'NONE') */ FROM ("
    "SELECT grantee FROM information_schema.user_privileges WHERE privilege_type = 'CREATE' "
    "UNION ALL SELECT grantee FROM information_schema.schema_privileges "
    "WHERE privilege_type = 'CREATE' AND DATABASE() LIKE table_schema) AS rights "
    "WHERE grantee = CONCAT('''', LEFT(CURRENT_USER(), LENGTH(CURRENT_USER()) - LENGTH(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)) - 1), "
    "'''@''', SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''')"
)


def question(server):
    """The statements, whose answer is the version, whether tables may be made, and the names of the tables."""
    tables = ", ".join(f"'{table}'" for table in [*TABLES, METRICS])
    if server["driver"] == "mysql":
        return (
            f"SELECT VERSION(); {MAY_CREATE}; SELECT table_name FROM information_schema.tables "
            f"WHERE table_schema = DATABASE() AND table_name IN ({tables})"
        )
    # A single statement, so that a client of any age prints all of it.
    return (
        "SELECT line FROM (SELECT 1 AS place, current_setting('server_version') AS line "
        "UNION ALL SELECT 2, CASE WHEN has_schema_privilege(current_schema(), 'CREATE') THEN '1' ELSE '0' END "
        "UNION ALL SELECT 3, table_name FROM information_schema.tables "
        f"WHERE table_schema = current_schema() AND table_name IN ({tables})) AS lines ORDER BY place, line"
    )


def client(server, statement):
    """The client's command line and its environment; the password is in a file that only root may read."""
    settings = f"/etc/torrust/{server['driver']}"
    if server["driver"] == "mysql":
        options = [f"--defaults-file={settings}/client.cnf", "--connect-timeout=3", "--batch", "--skip-column-names"]
        return ["mysql", *options, "--execute", statement], {}
    options = ["--no-psqlrc", "--no-password", "--quiet", "--no-align", "--tuples-only"]
    psql = ["sh", f"{settings}/client.sh", "psql", *options, "--command", statement]
    return psql, {"PGCONNECT_TIMEOUT": 3, "LC_ALL": "C"}


def ask(server, statement):
    """What the client prints."""
    network = place()
    (program, *args), variables = client(server, statement)
    # A name server that is away must not cost more than the whole check.
    variables["RES_OPTIONS"] = "timeout:1 attempts:2"
    name = f"torrust-database-look-{os.getpid()}"
    envs = [word for variable, value in variables.items() for word in ("--env", f"{variable}={value}")]
    limits = ["--user", "0:0", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only", "--memory", "256m"]
    mounts = ["--tmpfs", "/tmp", "--volume", f"{HERE}:/etc/torrust/{server['driver']}:ro"]
    try:
        ran = docker(
            "run", "--rm", "--pull", "never", "--name", name, "--label", LABEL, "--network", network, *limits, *mounts, *envs,
            "--entrypoint", program, server["image"], *args, timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        docker("rm", "--force", "--volumes", name)
        raise Fault(f"the client did not finish within {SECONDS} s: the server is silent, or this host is busy") from None
    if ran.returncode:
        raise judge_complaint(server, ran.stderr)
    return ran.stdout.rstrip("\n")


def judge(server, version, may_create, found):
    """Whether a tracker can work with these tables on this server."""
    kind = KINDS[server["driver"]]
    known = f"{kind} {version} at {server['host']} port {server['port']}"
    wanted = [*TABLES, METRICS] if server["metrics"] else TABLES
    missing = [table for table in wanted if table not in found]
    number = re.match(r"\d+", version)
    doubt = ""
    if "MariaDB" in version:
        doubt = "; the server is MariaDB, and the tracker is made for MySQL"
    elif number and int(number[0]) < OLDEST[server["driver"]]:
        doubt = f"; the server is older than {kind} {OLDEST[server['driver']]}, the oldest that the tracker is tested with"
    if not missing:
        return f"{known}, {len(found)} tables of the tracker{doubt}"
    if not found and not may_create:
        raise Fault(f"{known}: no tables of the tracker, and the user {server['user']} may not create them{doubt}")
    if not found:
        raise Fault(f"{known}: no tables of the tracker yet; it creates them when it starts{doubt}")
    raise Fault(f"{known}: {len(found)} tables of the tracker, and without {', '.join(missing)}{doubt}")


def look_by_client(server):
    lines = ask(server, question(server)).split("\n")
    if len(lines) < 2:
        raise Fault(f"the database cannot be checked: the client answered only {lines[0].strip() or 'an empty line'!r}")
    return judge(server, lines[0].strip(), lines[1].strip() != "0", [line for line in lines[2:] if line])


def look_by_greeting(server):
    """Called by itself in the tracker's network, as its client would: from where, and with which names, is as there."""
    network, holder = place(), None
    try:
        if not network.startswith("container:"):
            held = docker(
                "run", "--detach", "--rm", "--pull", "never", "--label", LABEL, "--network", network, "--entrypoint", "sleep", server["tracker"], "20",
            )
            if held.returncode:
                raise Fault(f"no container can be started in the tracker's network: {held.stderr.strip()}")
            holder = held.stdout.strip()
        form = "{{.State.Pid}}\n{{.ResolvConfPath}}\n{{.HostsPath}}"
        facts = docker("inspect", "--format", form, holder or network.partition(":")[2]).stdout.split("\n")[:3]
        if len(facts) < 3:
            raise Fault("the container that the database is checked from is gone: try again")
        return greeting_from(server, *facts)
    finally:
        if holder:
            docker("rm", "--force", "--volumes", holder)


def greeting_from(server, process, resolv, hosts):
    with tempfile.NamedTemporaryFile("w", prefix="torrust-database-look.") as order:
        # The host's own resolver is not the container's.
        order.write("hosts: files dns\n")
        order.flush()
        binds = [(order.name, "/etc/nsswitch.conf"), (resolv, "/etc/resolv.conf"), (hosts, "/etc/hosts")]
        script = "".join(f'mount --bind "{source}" "{target}" && ' for source, target in binds)
        inside = f'{script}exec "$0" "$@"'
        command = ["nsenter", f"--net=/proc/{process}/ns/net", "unshare", "--mount", "sh", "-c", inside]
        environment = {**os.environ, "RES_OPTIONS": "timeout:1 attempts:2"}
        try:
            ran = subprocess.run(
                [*command, sys.executable, os.path.abspath(__file__), "inside"],
                env=environment, timeout=SECONDS, capture_output=True, text=True, check=False,
            )
        except subprocess.TimeoutExpired:
            raise Fault(words("silent", server)) from None
    if ran.returncode:
        raise Fault((ran.stdout.strip() or ran.stderr.strip()).rpartition("\n")[2])
    return ran.stdout.strip()


def greeting(server):
    """Reads how the server begins, and says good-bye: one that was left without a word counts that against this host."""
    place = (server["host"], server["port"])
    try:
        addresses = socket.getaddrinfo(*place, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Fault(f"{words('name', server)} ({error.strerror})") from None
    fault = None
    for family, kind, protocol, _, address in addresses:
        with socket.socket(family, kind, protocol) as connection:
            connection.settimeout(2)
            try:
                connection.connect(address)
                return {"mysql": greet_mysql, "postgresql": greet_postgresql}[server["driver"]](connection, server)
            except ConnectionRefusedError:
                fault = fault or Fault(words("refused", server))
            except TimeoutError:
                fault = fault or Fault(words("silent", server))
            except OSError as error:
                fault = fault or Fault(f"{words('route', server)} ({error.strerror})")
    raise fault


def packet(connection):
    """One packet of MySQL's protocol: three bytes of length, a number, the content."""
    head = connection.recv(4, socket.MSG_WAITALL)
    return connection.recv(int.from_bytes(head[:3], "little"), socket.MSG_WAITALL) if len(head) == 4 and head[2] == 0 else b""


def greet_mysql(connection, server):
    try:
        hello = packet(connection)
        if hello[:1] == b"\xff":
            raise judge_complaint(server, f"ERROR {int.from_bytes(hello[1:3], 'little')} {hello[3:].decode(errors='replace')}")
        if hello[:1] != b"\x0a":
            raise Fault(words("kind", server))
        # A user without a name is refused, which is an orderly end.
        answer = (0x8200).to_bytes(4, "little") + bytes(4) + b"\x2d" + bytes(23) + b"\0" + b"\0"
        connection.sendall(len(answer).to_bytes(3, "little") + b"\x01" + answer)
        if packet(connection)[:1] == b"\xfe":
            connection.sendall(b"\0\0\0\x03")
            packet(connection)
        return f"MySQL {hello[1:].partition(bytes(1))[0].decode(errors='replace')}"
    except TimeoutError:
        raise Fault(words("kind", server)) from None


def greet_postgresql(connection, server):
    connection.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")
    try:
        answer = connection.recv(1)
    except TimeoutError:
        answer = b""
    if answer not in (b"S", b"N"):
        raise Fault(words("kind", server))
    return "PostgreSQL"


def main():
    with open(f"{HERE}/server.json", encoding="utf-8") as file:
        server = json.load(file)
    if sys.argv[1:] == ["inside"]:
        return greeting(server)
    if sys.argv[1:2] == ["ask"]:
        return ask(server, sys.argv[2])
    if docker("image", "inspect", "--format", "-", server["image"]).returncode == 0:
        return look_by_client(server)
    if not shutil.which("nsenter"):
        raise Fault(f"the image {server['image']} is not on this host, and nsenter is missing: the database cannot be checked")
    return (
        f"{look_by_greeting(server)} answers at {server['host']} port {server['port']}; user, password and tables "
        f"are not checked, because the image {server['image']} is not on this host"
    )


try:
    print(main())
except Fault as fault:
    print(fault)
    sys.exit(1)
