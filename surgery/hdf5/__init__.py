"""HDF5 from strangers: read in a process apart, because the library that reads it can fall over a broken file."""
