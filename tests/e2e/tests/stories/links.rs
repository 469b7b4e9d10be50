//! Two machines on a real network of their own, and what verification says of it from both ends.
