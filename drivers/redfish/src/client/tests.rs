//! Clients against scripted BMCs.
