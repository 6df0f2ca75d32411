"""HDF5 from strangers: what Keras writes by default is read here; the rest by the library, in a process apart."""
