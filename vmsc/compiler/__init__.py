"""The compiler: the phases in order, the library of codecs and its cache, and artifacts."""
