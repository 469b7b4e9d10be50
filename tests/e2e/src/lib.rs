//! Real hosts for tests: systemd-nspawn machines in their own network namespaces.
