"""COLO: checkpoints of a running machine, taken whole and proven before the secondary sees them."""
