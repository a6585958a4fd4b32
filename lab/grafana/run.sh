#!/bin/sh
# The official image's entry point has this place and name, and at its end does this.
exec grafana server
