-- The first schema. One text for SQLite and PostgreSQL: the words in braces are replaced (see src/upgrade.rs).
--
-- Moments are {INT} microseconds since 1970 (UTC), days are ISO text, identifiers are {UUID}, JSON is {TEXT}.
-- {TEXT} sorts by bytes in both databases. A column that ends in _key is the lower-cased form of its neighbour and is
-- what is unique. What is kept for the record (VMs gone, requests closed, audit) has no foreign key to what may be
-- removed; the removal itself checks what is still in use.

-- Counters that grow by an update inside the transaction that uses the number: the row stays locked until that
-- transaction ends, so numbers become visible in order and a reader that resumes after one misses none.
CREATE TABLE counters (
    name {TEXT} NOT NULL PRIMARY KEY,
    value {INT} NOT NULL
) {STRICT};
INSERT INTO counters (name, value) VALUES ('fleet', 0), ('events', 0);

CREATE TABLE users (
    id {UUID} NOT NULL PRIMARY KEY,
    login {TEXT} NOT NULL,
    login_key {TEXT} NOT NULL,
    full_name {TEXT} NOT NULL,
    mail {TEXT} NOT NULL,
    mail_key {TEXT} NOT NULL,
    role {TEXT} NOT NULL,
    state {TEXT} NOT NULL,
    password_hash {TEXT} NOT NULL,
    created_at {INT} NOT NULL
) {STRICT};
CREATE UNIQUE INDEX users_login_key ON users (login_key);
CREATE UNIQUE INDEX users_mail_key ON users (mail_key);

CREATE TABLE tokens (
    id {UUID} NOT NULL PRIMARY KEY,
    owner {UUID} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind {TEXT} NOT NULL,
    name {TEXT} NOT NULL,
    secret {BYTES} NOT NULL,
    created_at {INT} NOT NULL,
    used_at {INT} NOT NULL,
    expires_at {INT} NOT NULL
) {STRICT};
CREATE UNIQUE INDEX tokens_secret ON tokens (secret);
CREATE INDEX tokens_by_owner ON tokens (owner);

CREATE TABLE policies (
    version {INT} NOT NULL PRIMARY KEY,
    at {INT} NOT NULL,
    author {UUID},
    data {TEXT} NOT NULL
) {STRICT};

CREATE TABLE audit (
    seq {INT} NOT NULL PRIMARY KEY,
    at {INT} NOT NULL,
    actor {UUID},
    actor_login {TEXT} NOT NULL,
    action {TEXT} NOT NULL,
    about {TEXT} NOT NULL,
    about_id {TEXT} NOT NULL,
    text {TEXT} NOT NULL
) {STRICT};
CREATE INDEX audit_by_about ON audit (about, about_id, seq);
CREATE INDEX audit_by_actor ON audit (actor, seq);

CREATE TABLE events (
    seq {INT} NOT NULL PRIMARY KEY,
    at {INT} NOT NULL,
    topic {TEXT} NOT NULL,
    id {TEXT} NOT NULL,
    owner {UUID},
    public {BOOL} NOT NULL
) {STRICT};
CREATE INDEX events_by_at ON events (at);

CREATE TABLE hosts (
    id {UUID} NOT NULL PRIMARY KEY,
    name {TEXT} NOT NULL,
    name_key {TEXT} NOT NULL,
    uri {TEXT} NOT NULL,
    peer_uri {TEXT} NOT NULL,
    migration_address {TEXT},
    site {TEXT} NOT NULL,
    cores {INT} NOT NULL,
    memory_mib {INT} NOT NULL,
    mode {TEXT} NOT NULL,
    created_at {INT} NOT NULL
) {STRICT};
CREATE UNIQUE INDEX hosts_name_key ON hosts (name_key);

CREATE TABLE seen (
    host {UUID} NOT NULL PRIMARY KEY REFERENCES hosts (id) ON DELETE CASCADE,
    data {TEXT} NOT NULL
) {STRICT};

CREATE TABLE storages (
    id {UUID} NOT NULL PRIMARY KEY,
    name {TEXT} NOT NULL,
    name_key {TEXT} NOT NULL,
    kind {TEXT} NOT NULL,
    created_at {INT} NOT NULL
) {STRICT};
CREATE UNIQUE INDEX storages_name_key ON storages (name_key);

CREATE TABLE storage_members (
    storage {UUID} NOT NULL REFERENCES storages (id) ON DELETE CASCADE,
    host {UUID} NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    pool {TEXT} NOT NULL,
    proven_at {INT},
    position {INT} NOT NULL,
    PRIMARY KEY (storage, host)
) {STRICT};
CREATE INDEX storage_members_by_host ON storage_members (host);

CREATE TABLE networks (
    id {UUID} NOT NULL PRIMARY KEY,
    name {TEXT} NOT NULL,
    name_key {TEXT} NOT NULL,
    cidr_address {TEXT} NOT NULL,
    cidr_prefix {INT} NOT NULL,
    gateway {TEXT},
    dns {TEXT} NOT NULL,
    range_from {TEXT} NOT NULL,
    range_until {TEXT} NOT NULL,
    vlan {INT},
    created_at {INT} NOT NULL
) {STRICT};
CREATE UNIQUE INDEX networks_name_key ON networks (name_key);

CREATE TABLE network_members (
    network {UUID} NOT NULL REFERENCES networks (id) ON DELETE CASCADE,
    host {UUID} NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    carrier {TEXT} NOT NULL,
    position {INT} NOT NULL,
    PRIMARY KEY (network, host)
) {STRICT};
CREATE INDEX network_members_by_host ON network_members (host);

-- A row with a VM is held; one without rests since released_at and is listed until it is taken again.
CREATE TABLE addresses (
    network {UUID} NOT NULL REFERENCES networks (id) ON DELETE CASCADE,
    address {TEXT} NOT NULL,
    mac {TEXT} NOT NULL,
    vm {UUID},
    released_at {INT},
    PRIMARY KEY (network, address)
) {STRICT};
CREATE UNIQUE INDEX addresses_mac ON addresses (mac) WHERE vm IS NOT NULL;
CREATE INDEX addresses_by_vm ON addresses (vm);

CREATE TABLE images (
    id {UUID} NOT NULL PRIMARY KEY,
    name {TEXT} NOT NULL,
    name_key {TEXT} NOT NULL,
    os {TEXT} NOT NULL,
    state {TEXT} NOT NULL,
    reason {TEXT},
    url {TEXT},
    sha256 {TEXT},
    checksums_url {TEXT},
    file_bytes {INT},
    virtual_bytes {INT},
    format {TEXT},
    min_disk_gib {INT} NOT NULL,
    min_memory_mib {INT} NOT NULL,
    devices {TEXT} NOT NULL,
    cloud_init {BOOL} NOT NULL,
    created_at {INT} NOT NULL
) {STRICT};
CREATE UNIQUE INDEX images_name_key ON images (name_key);

CREATE TABLE image_copies (
    image {UUID} NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    storage {UUID} NOT NULL REFERENCES storages (id) ON DELETE CASCADE,
    host {UUID} NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    complete {BOOL} NOT NULL,
    PRIMARY KEY (image, storage, host)
) {STRICT};

CREATE TABLE requests (
    id {UUID} NOT NULL PRIMARY KEY,
    owner {UUID} NOT NULL REFERENCES users (id),
    name {TEXT} NOT NULL,
    vcpus {INT} NOT NULL,
    memory_mib {INT} NOT NULL,
    disk_gib {INT} NOT NULL,
    lease_from {TEXT} NOT NULL,
    lease_until {TEXT} NOT NULL,
    purpose {TEXT} NOT NULL,
    image {UUID} NOT NULL,
    ssh_key {TEXT},
    state {TEXT} NOT NULL,
    reason {TEXT},
    decided_by {UUID},
    decided_at {INT},
    wanted_host {UUID},
    wanted_storage {UUID},
    wanted_network {UUID},
    vm {UUID},
    created_at {INT} NOT NULL
) {STRICT};
CREATE UNIQUE INDEX requests_owner_name ON requests (owner, name)
    WHERE state IN ('pending', 'approved', 'waiting for room', 'placed', 'failed');
CREATE INDEX requests_by_state ON requests (state, created_at);
CREATE INDEX requests_by_owner ON requests (owner, created_at);

CREATE TABLE vms (
    id {UUID} NOT NULL PRIMARY KEY,
    owner {UUID} NOT NULL REFERENCES users (id),
    request {UUID},
    name {TEXT} NOT NULL,
    hostname {TEXT} NOT NULL,
    libvirt_name {TEXT} NOT NULL,
    host {UUID} NOT NULL,
    state {TEXT} NOT NULL,
    wanted {TEXT} NOT NULL,
    vcpus {INT} NOT NULL,
    memory_mib {INT} NOT NULL,
    disk_gib {INT} NOT NULL,
    image {UUID} NOT NULL,
    storage {UUID} NOT NULL,
    network {UUID} NOT NULL,
    mac {TEXT} NOT NULL,
    address {TEXT} NOT NULL,
    lease_from {TEXT} NOT NULL,
    lease_until {TEXT} NOT NULL,
    purpose {TEXT} NOT NULL,
    note {TEXT},
    created_at {INT} NOT NULL,
    generation {INT} NOT NULL
) {STRICT};
CREATE UNIQUE INDEX vms_owner_name ON vms (owner, name) WHERE state <> 'gone';
CREATE INDEX vms_by_host ON vms (host) WHERE state <> 'gone';
CREATE INDEX vms_by_owner ON vms (owner, created_at);

CREATE TABLE first_passwords (
    vm {UUID} NOT NULL PRIMARY KEY REFERENCES vms (id) ON DELETE CASCADE,
    secret {TEXT} NOT NULL,
    at {INT} NOT NULL
) {STRICT};

CREATE TABLE jobs (
    id {UUID} NOT NULL PRIMARY KEY,
    kind {TEXT} NOT NULL,
    vm {UUID},
    request {UUID},
    image {UUID},
    host {UUID},
    owner {UUID},
    created_by {UUID},
    state {TEXT} NOT NULL,
    step {INT} NOT NULL,
    data {TEXT} NOT NULL,
    progress {TEXT} NOT NULL,
    error {TEXT},
    cancel {BOOL} NOT NULL,
    holder {TEXT},
    lease_until {INT} NOT NULL,
    fence {INT} NOT NULL,
    attempts {INT} NOT NULL,
    not_before {INT} NOT NULL,
    created_at {INT} NOT NULL,
    ended_at {INT},
    journal_lines {INT} NOT NULL
) {STRICT};
CREATE UNIQUE INDEX jobs_vm ON jobs (vm) WHERE state IN ('queued', 'running', 'undoing') AND vm IS NOT NULL;
CREATE INDEX jobs_open ON jobs (created_at, id) WHERE state IN ('queued', 'running', 'undoing');
CREATE INDEX jobs_by_created ON jobs (created_at, id);
CREATE INDEX jobs_by_vm ON jobs (vm, created_at);

CREATE TABLE journal (
    job {UUID} NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seq {INT} NOT NULL,
    at {INT} NOT NULL,
    event {TEXT} NOT NULL,
    step {TEXT} NOT NULL,
    text {TEXT} NOT NULL,
    PRIMARY KEY (job, seq)
) {STRICT};

CREATE TABLE tombstones (
    vm {UUID} NOT NULL,
    host {UUID} NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    job {UUID} NOT NULL,
    at {INT} NOT NULL,
    PRIMARY KEY (vm, host)
) {STRICT};

CREATE TABLE migrations (
    id {UUID} NOT NULL PRIMARY KEY,
    job {UUID},
    vm {UUID} NOT NULL,
    source {UUID} NOT NULL,
    target {UUID} NOT NULL,
    copy_disk {BOOL} NOT NULL,
    asked_by {UUID},
    outcome {TEXT} NOT NULL,
    reason {TEXT},
    started_at {INT} NOT NULL,
    ended_at {INT},
    total_ms {INT},
    downtime_ms {INT},
    bytes {INT},
    rounds {INT}
) {STRICT};
CREATE INDEX migrations_by_vm ON migrations (vm, started_at);
CREATE INDEX migrations_by_start ON migrations (started_at, id);
