"""What can be ordered: locations, server types, images. A choice from the real catalogue, at prices near the real."""
CREATED = "2024-04-25T13:26:12+00:00"
VAT = 1.19


def location(number, name, city, country, zone, latitude, longitude):
    return {
        "id": number, "name": name, "description": f"{city} DC Park 1", "city": city, "country": country,
        "network_zone": zone, "latitude": latitude, "longitude": longitude,
    }


LOCATIONS = [
    location(1, "fsn1", "Falkenstein", "DE", "eu-central", 50.47612, 12.370071),
    location(2, "nbg1", "Nuremberg", "DE", "eu-central", 49.452102, 11.076665),
    location(3, "hel1", "Helsinki", "FI", "eu-central", 60.169855, 24.938379),
    location(4, "ash", "Ashburn, VA", "US", "us-east", 39.045821, -77.487073),
]


def price(net, digits):
    return {"net": f"{net:.{digits}f}", "gross": f"{net * VAT:.{digits}f}"}


def server_type(number, name, cores, memory, disk, monthly, places, architecture="x86", cpu="shared"):
    chosen = [place for place in LOCATIONS if place["name"] in places.split()]
    return {
        "id": number, "name": name, "description": name.upper(), "category": "Shared vCPU", "cores": cores,
        "memory": float(memory), "disk": disk, "storage_type": "local", "cpu_type": cpu, "architecture": architecture,
        "included_traffic": 0, "deprecated": False, "deprecation": None,
        "prices": [{
            "location": place["name"], "price_hourly": price(monthly / 624, 10), "price_monthly": price(monthly, 10),
            "included_traffic": 20 * 1024**4, "price_per_tb_traffic": price(1, 10),
        } for place in chosen],
        "locations": [{
            "id": place["id"], "name": place["name"], "recommended": True, "available": True, "deprecation": None,
        } for place in chosen],
    }


SERVER_TYPES = [
    server_type(22, "cpx11", 2, 2, 40, 3.85, "fsn1 nbg1 hel1 ash"),
    server_type(45, "cax11", 2, 4, 40, 3.29, "fsn1 nbg1 hel1", architecture="arm"),
    server_type(104, "cx22", 2, 4, 40, 3.29, "fsn1 nbg1 hel1"),
    server_type(105, "cx32", 4, 8, 80, 5.99, "fsn1 nbg1 hel1"),
    server_type(114, "cx23", 2, 4, 40, 2.99, "fsn1 nbg1 hel1"),
    server_type(115, "cx33", 4, 8, 80, 4.99, "fsn1 nbg1 hel1"),
    server_type(96, "ccx13", 2, 8, 80, 11.99, "fsn1 nbg1 hel1 ash", cpu="dedicated"),
]


def image(number, flavor, version, architecture):
    return {
        "id": number, "name": f"{flavor}-{version}", "type": "system", "status": "available",
        "description": f"{flavor.capitalize()} {version}", "os_flavor": flavor, "os_version": version,
        "architecture": architecture, "image_size": None, "disk_size": 5, "created": CREATED, "created_from": None,
        "bound_to": None, "rapid_deploy": True, "protection": {"delete": False}, "deprecated": None, "deleted": None,
        "labels": {},
    }


IMAGES = [
    image(114690387, "debian", "12", "x86"), image(114690389, "debian", "12", "arm"),
    image(310557660, "debian", "13", "x86"), image(310557661, "debian", "13", "arm"),
    image(67794396, "ubuntu", "22.04", "x86"), image(103907373, "ubuntu", "22.04", "arm"),
    image(161547269, "ubuntu", "24.04", "x86"), image(161547270, "ubuntu", "24.04", "arm"),
]


def find(things, wanted):
    """By id or by name, as a request may name a thing."""
    return next((thing for thing in things if str(wanted) in (str(thing["id"]), thing["name"])), None)
