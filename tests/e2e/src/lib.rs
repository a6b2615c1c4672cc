//! End-to-end tests: whole plane in process, and real kubectl over sockets.
