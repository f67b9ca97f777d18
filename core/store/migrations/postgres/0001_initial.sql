-- The records of farrier-model. Booleans are BIGINT 0 or 1; UUIDs, times (RFC 3339, microseconds, UTC) and
-- mappings (JSON) are TEXT. Numbers are never given twice.

CREATE TABLE conductors (
    id                  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hostname            TEXT NOT NULL UNIQUE,
    conductor_group     TEXT NOT NULL DEFAULT '',
    drivers             TEXT NOT NULL DEFAULT '[]',
    online              BIGINT NOT NULL DEFAULT 1,
    created_at          TEXT NOT NULL,
    updated_at          TEXT NOT NULL
);

CREATE TABLE conductor_hardware_interfaces (
    conductor_id        BIGINT NOT NULL REFERENCES conductors (id) ON DELETE CASCADE,
    hardware_type       TEXT NOT NULL,
    interface_type      TEXT NOT NULL,
    interface_name      TEXT NOT NULL,
    is_default          BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (conductor_id, hardware_type, interface_type, interface_name)
);

CREATE TABLE nodes (
    id                  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid                TEXT NOT NULL UNIQUE,
    name                TEXT UNIQUE,
    created_at          TEXT NOT NULL,
    updated_at          TEXT,

    -- the lock
    reservation         TEXT,
    reservation_purpose TEXT,
    reserved_at         TEXT,

    conductor_affinity  BIGINT REFERENCES conductors (id) ON DELETE SET NULL,
    conductor_group     TEXT NOT NULL DEFAULT '',

    driver              TEXT NOT NULL,
    boot_interface       TEXT,
    deploy_interface     TEXT,
    management_interface TEXT,
    network_interface    TEXT,
    power_interface      TEXT,
    bios_interface       TEXT,
    console_interface    TEXT,
    firmware_interface   TEXT,
    inspect_interface    TEXT,
    raid_interface       TEXT,
    rescue_interface     TEXT,
    storage_interface    TEXT,
    vendor_interface     TEXT,

    driver_info         TEXT NOT NULL DEFAULT '{}',
    driver_internal_info TEXT NOT NULL DEFAULT '{}',
    driver_internal_info_revision BIGINT NOT NULL DEFAULT 0,
    properties          TEXT NOT NULL DEFAULT '{}',
    extra               TEXT NOT NULL DEFAULT '{}',
    resource_class      TEXT,

    instance_info       TEXT NOT NULL DEFAULT '{}',
    instance_uuid       TEXT UNIQUE,
    instance_name       TEXT,
    allocation_uuid     TEXT,
    chassis_uuid        TEXT,
    parent_node         TEXT,

    power_state         TEXT,
    target_power_state  TEXT,
    disable_power_off   BIGINT NOT NULL DEFAULT 0,

    provision_state     TEXT NOT NULL,
    target_provision_state TEXT,
    provision_updated_at TEXT,
    clean_step          TEXT NOT NULL DEFAULT '{}',
    deploy_step         TEXT NOT NULL DEFAULT '{}',
    service_step        TEXT NOT NULL DEFAULT '{}',
    automated_clean     BIGINT,
    inspection_started_at TEXT,
    inspection_finished_at TEXT,

    maintenance         BIGINT NOT NULL DEFAULT 0,
    maintenance_reason  TEXT,
    fault               TEXT,
    last_error          TEXT,
    health              TEXT,
    console_enabled     BIGINT NOT NULL DEFAULT 0,

    raid_config         TEXT NOT NULL DEFAULT '{}',
    target_raid_config  TEXT NOT NULL DEFAULT '{}',
    boot_mode           TEXT,
    secure_boot         BIGINT,
    network_data        TEXT NOT NULL DEFAULT '{}',

    protected           BIGINT NOT NULL DEFAULT 0,
    protected_reason    TEXT,
    retired             BIGINT NOT NULL DEFAULT 0,
    retired_reason      TEXT,
    owner               TEXT,
    lessee              TEXT,
    shard               TEXT,
    description         TEXT
);

CREATE INDEX nodes_reservation ON nodes (reservation);
CREATE INDEX nodes_provision_state ON nodes (provision_state);
CREATE INDEX nodes_driver ON nodes (driver);
CREATE INDEX nodes_conductor_affinity ON nodes (conductor_affinity);
CREATE INDEX nodes_conductor_group ON nodes (conductor_group);
CREATE INDEX nodes_resource_class ON nodes (resource_class);
CREATE INDEX nodes_owner ON nodes (owner);
CREATE INDEX nodes_lessee ON nodes (lessee);
CREATE INDEX nodes_shard ON nodes (shard);
CREATE INDEX nodes_parent_node ON nodes (parent_node);

CREATE TABLE node_traits (
    node_id             BIGINT NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    trait               TEXT NOT NULL,
    PRIMARY KEY (node_id, trait)
);

CREATE TABLE node_tags (
    node_id             BIGINT NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    tag                 TEXT NOT NULL,
    PRIMARY KEY (node_id, tag)
);

CREATE TABLE node_history (
    id                  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid                TEXT NOT NULL UNIQUE,
    node_id             BIGINT NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    conductor           TEXT NOT NULL,
    severity            TEXT NOT NULL,
    event               TEXT NOT NULL,
    event_type          TEXT NOT NULL,
    user_id             TEXT,
    project_id          TEXT,
    state               TEXT,
    target_provision_state TEXT,
    duration_seconds    BIGINT,
    created_at          TEXT NOT NULL
);

CREATE INDEX node_history_node_id ON node_history (node_id);

CREATE TABLE portgroups (
    id                  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid                TEXT NOT NULL UNIQUE,
    node_id             BIGINT NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    name                TEXT UNIQUE,
    address             TEXT UNIQUE,
    mode                TEXT NOT NULL,
    properties          TEXT NOT NULL DEFAULT '{}',
    standalone_ports_supported BIGINT NOT NULL DEFAULT 1,
    physical_network    TEXT,
    category            TEXT,
    dynamic_portgroup   BIGINT NOT NULL DEFAULT 0,
    extra               TEXT NOT NULL DEFAULT '{}',
    internal_info       TEXT NOT NULL DEFAULT '{}',
    created_at          TEXT NOT NULL,
    updated_at          TEXT
);

CREATE INDEX portgroups_node_id ON portgroups (node_id);

CREATE TABLE ports (
    id                  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid                TEXT NOT NULL UNIQUE,
    node_id             BIGINT NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    portgroup_uuid      TEXT REFERENCES portgroups (uuid),
    address             TEXT NOT NULL UNIQUE,
    name                TEXT,
    description         TEXT,
    local_link_connection TEXT NOT NULL DEFAULT '{}',
    physical_network    TEXT,
    pxe_enabled         BIGINT NOT NULL DEFAULT 1,
    is_smartnic         BIGINT NOT NULL DEFAULT 0,
    available_for_dynamic_portgroup BIGINT NOT NULL DEFAULT 1,
    vendor              TEXT,
    category            TEXT,
    extra               TEXT NOT NULL DEFAULT '{}',
    internal_info       TEXT NOT NULL DEFAULT '{}',
    created_at          TEXT NOT NULL,
    updated_at          TEXT
);

CREATE INDEX ports_node_id ON ports (node_id);
CREATE INDEX ports_portgroup_uuid ON ports (portgroup_uuid);

CREATE TABLE volume_connectors (
    id                  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid                TEXT NOT NULL UNIQUE,
    node_id             BIGINT NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    type                TEXT NOT NULL,
    connector_id        TEXT NOT NULL,
    extra               TEXT NOT NULL DEFAULT '{}',
    created_at          TEXT NOT NULL,
    updated_at          TEXT,
    UNIQUE (type, connector_id)
);

CREATE INDEX volume_connectors_node_id ON volume_connectors (node_id);

CREATE TABLE volume_targets (
    id                  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid                TEXT NOT NULL UNIQUE,
    node_id             BIGINT NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    volume_type         TEXT NOT NULL,
    volume_id           TEXT NOT NULL,
    boot_index          BIGINT NOT NULL,
    properties          TEXT NOT NULL DEFAULT '{}',
    extra               TEXT NOT NULL DEFAULT '{}',
    created_at          TEXT NOT NULL,
    updated_at          TEXT,
    UNIQUE (node_id, boot_index)
);
