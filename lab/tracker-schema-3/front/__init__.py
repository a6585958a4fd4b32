"""A lab stand-in for the tracker after release 3.0.0: configuration schema 3.0.0, before the real 3.0.0 as its engine."""
