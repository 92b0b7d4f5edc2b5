"""turnout: an application server for Django, in Rust."""
