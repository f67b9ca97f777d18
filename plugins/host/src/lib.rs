//! The conductor's half of the plugin boundary: executors, tasks, deadlines, logs.
