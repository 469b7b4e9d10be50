//! What is written: the table, the scripts, quoting.
