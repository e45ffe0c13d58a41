"""Parts of `benches/monitoring_peers.py`."""
