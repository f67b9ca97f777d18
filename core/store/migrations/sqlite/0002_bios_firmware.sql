-- What drivers read from a machine and the conductor keeps.

CREATE TABLE bios_settings (
    node_id             BIGINT NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    name                TEXT NOT NULL,
    value               TEXT,
    created_at          TEXT NOT NULL,
    updated_at          TEXT,
    PRIMARY KEY (node_id, name)
);

CREATE TABLE firmware_components (
    node_id             BIGINT NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    component           TEXT NOT NULL,
    initial_version     TEXT NOT NULL,
    current_version     TEXT NOT NULL,
    last_version_flashed TEXT,
    created_at          TEXT NOT NULL,
    updated_at          TEXT,
    PRIMARY KEY (node_id, component)
);
