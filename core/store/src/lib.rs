//! Every query of the conductor, on SQLite and PostgreSQL.
