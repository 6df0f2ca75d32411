"""Training what was operated on: groups by depth, contracts, rates, stages, cached features, several players."""
