# Appended to observe.py, whose functions it uses: says how the host is against what is wanted, as a list of
# {"what", "state", "detail"}; state is ok, changed, skipped, "not permitted" or failed.
# ruff: noqa: F821


def result(what, state, detail):
    return {"what": what, "state": state, "detail": detail}


def judged(what, good, detail):
    return result(what, "ok" if good else "failed", detail)


def see_security_updates(options):
    what = "Security updates"
    wanted = 'APT::Periodic::Unattended-Upgrade "1";'
    if "unattended-upgrades" not in installed() or wanted not in run("apt-config", "dump")[1]:
        return judged(what, False, "unattended-upgrades is not set up to run every day")
    if not unit("apt-daily-upgrade.timer")["active"]:
        return judged(what, False, "apt-daily-upgrade.timer, which runs them every day, is not active")
    last = last_updates()
    if options["skip_updates"]:
        return result(what, "skipped", "not run now, as asked; automatic every day")
    # What was recent enough at the beginning of a run is so at its end.
    if last["hours"] > 24 and options.get("updates_due", True):
        return judged(what, False, "automatic every day, but the run that was asked for left no record")
    return result(what, "ok", "automatic every day; last run %s h ago: %s" % (last["hours"], last["detail"]))


def see_docker(_):
    found = docker()
    yield judged("Docker Engine", found["version"], found["version"] or found["answer"])
    yield judged("Docker Compose", found["compose"], found["compose"] or "docker compose (version 2) does not answer")


def see_firewall(options):
    found = firewall(options["rules"])
    ours = ", ".join(rule.replace("allow in on br-+ to any port 9100 proto tcp", "9100/tcp from containers") for rule in options["rules"])
    ours = ours.replace("allow ", "")
    if not options["configure_firewall"]:
        state = "active" if found["active"] else "not active"
        return result("Firewall", "skipped", "left as it is, as asked: ufw is " + state)
    if not (found["active"] and found["denies"] and found["enabled"]):
        return judged("Firewall", False, "ufw is not active, or does not deny incoming connections, or not after a restart")
    if found["unproven"]:
        return judged("Firewall", False, "ufw is active, but about to be taken back, as a run was cut before its proof")
    if found["missing"]:
        return judged("Firewall", False, "ufw is active without the rules " + ", ".join(found["missing"]))
    added, removed = options.get("added", []), options.get("removed", [])
    done = ["%s %s" % (word, ", ".join(rules)) for word, rules in (("; added:", added), ("; removed:", removed)) if rules]
    own = "" if any("allow %d/tcp" % port in options["rules"] for port in ssh_ports()) else "SSH as before, "
    seen = result("Firewall", "ok", "ufw active, incoming denied but for " + own + ours + "".join(done))
    return {**seen, "added": added, "removed": removed}


def see_container_logs(_):
    what = "Log rotation of containers"
    settings = daemon_settings().get("settings", {})
    driver = docker()["log_driver"]
    if not driver:
        return judged(what, False, "Docker does not answer")
    if driver not in ("json-file", "local"):
        return result(what, "skipped", "this host's own log driver %s stays" % driver)
    given = [flag for flag in docker_flags() if flag in ("log-driver", "log-opt")]
    if given:
        return result(what, "skipped", "this host sets --%s on dockerd's command line: left as it is" % given[0])
    limits = settings.get("log-opts", {})
    if driver == "json-file" and not limits.get("max-size"):
        return judged(what, False, "/etc/docker/daemon.json sets no max-size for log files")
    if daemon_settings()["stale"]:
        return judged(what, False, "dockerd was started before daemon.json was last changed: restart docker")
    return result(what, "ok", "%s, %s files of %s each" % (driver, limits.get("max-file", "5"), limits.get("max-size", "20m")))


def see_container_ipv6(_):
    what = "IPv6 for containers"
    if not ipv6():
        return result(what, "skipped", "this host's kernel has no IPv6")
    code, said = run("ip6tables", "-w", "-t", "nat", "-S", "DOCKER")
    if code and without_ipv6_rules():
        return result(what, "skipped", "this host's own settings of Docker stay: %s; clients over IPv6 have the address of Docker's proxy" % ", ".join(without_ipv6_rules()))
    if code:
        return judged(what, False, "Docker has no rules for it, clients would lose their addresses: " + said)
    return result(what, "ok", "Docker passes it on by rules, clients keep their addresses")


def see_container_ports(_):
    what = "Ports of containers"
    if "iptables = false" in without_ipv6_rules():
        return result(what, "skipped", "this host's own settings of Docker stay: iptables = false; Docker makes no rules, so all clients have the address of its proxy")
    for command in ["iptables"] + (["ip6tables"] if ipv6() else []):
        code, said = run(command, "-w", "-S", "DOCKER-USER")
        if code or "-o br-torrust+ " not in said:
            return judged(what, False, "%s keeps no neighbour from containers' own addresses: %s" % (command, said.splitlines()[-1]))
    return judged(what, unit(GUARD)["enabled"], "only what is published is passed on to containers")


def see_tracker_logs(_):
    what = "Log rotation of the tracker"
    code, said = run("logrotate", "--debug", "/etc/logrotate.d/torrust-tracker")
    if code or "error:" in said:
        return judged(what, False, (said.splitlines() or ["logrotate says nothing"])[-1])
    return judged(what, unit("logrotate.timer")["active"], "logrotate, every day, 7 files kept")


def see_time(_):
    what = "Time synchronisation"
    service = time_service()
    if service:
        code, said = run("timedatectl", "show", "-p", "NTPSynchronized", "--value")
        state = {"yes": "in step", "no": "not in step yet"}.get(said, "whether in step is not known")
        return result(what, "ok", service + " active, clock " + (state if code == 0 else "not readable"))
    if container():
        return result(what, "not permitted", "a container (%s) cannot set the clock; the machine it runs on keeps it" % container())
    return judged(what, False, "no time service is active")


def see_kernel(_):
    what = "Kernel settings for UDP load"
    settings = kernel()
    if unsettled(settings) or not settings:
        wrong = ["%(key)s is %(actual)s, not %(wanted)s" % entry for entry in unsettled(settings)]
        return judged(what, False, ", ".join(wrong) or SYSCTL + " holds none")
    refused = ["%(key)s = %(actual)s (wanted %(wanted)s)" % entry for entry in settings if entry["actual"] != entry["wanted"]]
    good = "%d of %d in force" % (len(settings) - len(refused), len(settings))
    if not refused:
        return result(what, "ok", good)
    return result(what, "not permitted", good + "; this host does not let it set " + ", ".join(refused))


def see_steering(_):
    what = "Receive packet steering"
    queues = physical_queues()
    spread = [queue for queue in queues if (read(queue + "/rps_cpus") or "").strip("0,\n")]
    if not queues:
        return result(what, "not permitted", "no network device of its own here: the machine it runs on steers packets")
    if os.cpu_count() == 1:
        return result(what, "skipped", "one processor: nothing to spread")
    if len(spread) < len(queues) and container():
        return result(what, "not permitted", "a container cannot set it: %d of %d queues spread" % (len(spread), len(queues)))
    good = len(spread) == len(queues) and unit(STEERING)["enabled"]
    return judged(what, good, "%d of %d queues spread" % (len(spread), len(queues)))


def physical_queues():
    base = "/sys/class/net"
    folders = ["%s/%s/queues" % (base, name) for name in os.listdir(base) if os.path.exists("%s/%s/device" % (base, name))]
    return ["%s/%s" % (folder, queue) for folder in folders for queue in os.listdir(folder) if queue.startswith("rx-")]


def see_node_metrics(options):
    what = "Node metrics"
    state = unit("prometheus-node-exporter")
    if not options["install_monitoring"]:
        return result(what, "skipped", "not asked for" + (", but active since before" if state["active"] else ""))
    listens = [line.split()[3] for line in run("ss", "-Hltnp")[1].splitlines() if ":9100 " in line]
    outside = [address for address in listens if address.startswith(("*", "0.0.0.0", "[::]"))]
    return judged(what, state["active"] and listens and not outside, "prometheus-node-exporter on " + (" and ".join(listens) or "no address"))


def see_restart(_):
    if not os.path.exists("/run/reboot-required"):
        return result("Restart of the host", "ok", "not needed")
    names = ", ".join(sorted(set((read("/run/reboot-required.pkgs") or "").split()))) or "the updates"
    return result("Restart of the host", "skipped", "needed by %s; restart it when it suits: sudo reboot" % names)


def results(options):
    system = operating_system()
    seen = [result("Operating system", "ok", "%s, %s" % (system["name"], system["architecture"]))]
    seen.append(see_security_updates(options))
    seen.extend(see_docker(options))
    for see in (
        see_firewall, see_container_logs, see_container_ipv6, see_container_ports, see_tracker_logs, see_time, see_kernel,
        see_steering, see_node_metrics, see_restart,
    ):
        seen.append(see(options))
    for entry in seen:
        if entry["state"] == "ok" and entry["what"] in options["changed"]:
            entry["state"] = "changed"
    return seen


if __name__ == "__main__":
    wishes = json.loads(sys.argv[1])
    print(json.dumps({**observe(wishes), "results": results(wishes)}))
