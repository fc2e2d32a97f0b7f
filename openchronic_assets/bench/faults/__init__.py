"""Faults: kills at random moments, full disks, clocks that jump, and what becomes of the data."""

from openchronic_assets.bench.faults.bench import bench_faults

__all__ = ["bench_faults"]
