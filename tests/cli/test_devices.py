#!/usr/bin/env python3
"""limn devices: table, JSON, no device at all."""

import json
import os

from harness import Suite

FIELDS = {"index": int, "name": str, "platform": str, "vendor": str, "type": str, "driver": str,
          "compute_units": int, "global_memory": int, "max_allocation": int, "fp16": bool,
          "fp64": bool, "subgroups": bool, "usable": bool, "reason": str}


def check_device(t, index, device):
    t.check("fields", set(device) >= set(FIELDS), sorted(device))
    for field, kind in FIELDS.items():
        t.check(f"type of {field}", type(device.get(field)) is kind, device.get(field))
    t.check("indices count up", device["index"] == index, device)
    t.check("type", device["type"] in ("gpu", "accelerator", "cpu", "custom"), device)
    t.check("a reason exactly where not usable", device["usable"] == (device["reason"] == ""),
            device)
    t.check("sizes", 0 < device["max_allocation"] <= device["global_memory"], device)
    t.check("units", device["compute_units"] > 0, device)


def main():
    t = Suite()
    empty = os.path.join(t.folder, "vendors")
    os.mkdir(empty)
    none = {"OCL_ICD_VENDORS": empty, "OCL_ICD_FILENAMES": ""}
    r = t.run("devices", env=none)
    t.fails("no device", r, 3, "apt-get install", "pocl-opencl-icd")
    r = t.run("devices", "--json", env=none)
    t.check("no device, --json: an empty list", r.code == 3 and json.loads(r.out) == [], r)

    t.fails("an argument", t.run("devices", "gpu"), 2, "gpu", "no argument")
    if not t.has_device():
        t.skip("the rest needs an OpenCL device")
    r = t.run("devices", "--json", "-vv")
    devices = json.loads(r.out)
    t.check("exit code", r.code == 0, r)
    t.check("a list", isinstance(devices, list) and devices, r)
    for index, device in enumerate(devices):
        check_device(t, index, device)
    r = t.run("devices")
    t.check("nothing on stderr", r.err == "" and r.code == 0, r)
    for device in devices:
        t.check("the table names each", device["name"] in r.out and device["driver"] in r.out, r)
    r = t.run("devices", "-q")
    t.check("-q prints nothing", r.code == 0 and r.out == "" and r.err == "", r)
    with open("/dev/full", "wb") as out:
        t.fails("a full disk", t.run("devices", "--json", stdout=out), 1, "standard output")
    t.done()


main()
