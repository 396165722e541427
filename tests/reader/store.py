"""store.py -- a store, opened from its directory and keyring, and every user's rows gathered out of all shards."""

from collections import defaultdict
import os

from catalog import Catalog
from identity import read_identity
from keyring import read_keyring
from log import Log
from manifest import Manifest
from problems import Damage, damage
from segment import Segment
from standing import User
from vault import Vault


class Store:
    def __init__(self, path, keyring_path=None, log_ends="auto"):
        self.path, self.log_ends = path, log_ends
        self.identity = read_identity(path)
        keyring = {}
        if self.identity.sealed:
            keyring = read_keyring(keyring_path or path.rstrip("/") + ".keyring", self.identity.store_id)
        self.catalog = Catalog(path, self.identity)
        self.vault = Vault(path, self.identity, keyring)
        for user in self.vault.users.values():
            if user.region >= len(self.catalog.regions):
                raise Damage(f"{path}/vault.a: user {user.number} in region {user.region}, which is not there")
        self.source_names = self.catalog.source_names(self.vault)
        self.users = defaultdict(User)
        for region in self.catalog.regions:
            for shard in range(region.shards):
                self._read_shard(region, shard)

    def _read_shard(self, region, shard):
        directory = os.path.join(self.path, region.name, f"{shard:03d}")
        place = 1 + (region.number << 16 | shard)
        store_id = self.identity.store_id
        manifest = Manifest(directory, store_id, place)

        def check_user(number, generation, file, offset):
            """The user of a frame or section, who must be one of this shard."""
            user = self.vault.users.get(number)
            if user is None:
                raise damage(file, offset, f"user {number}, whom the vault does not know")
            if user.region != region.number or user.shard(region.shards) != shard:
                raise damage(file, offset, f"user {number}, who belongs to another shard")
            if generation != user.generation:
                raise damage(file, offset, f"key generation {generation} of user {number}, {user.generation} expected")
            return user

        for told in sorted(manifest.files.values(), key=lambda f: (f.sequence_min, f.id)):
            segment = Segment(directory, told.id, store_id, place, self.identity.sealed)
            _check_told(segment, told)
            for section in segment.sections(self.vault, check_user):
                user = self.users[section.user]
                user.tombstones += section.tombstones
                for s in section.series:
                    self._check_series(section.user, s, segment.path, told.tier_class)
                    for rows, revision in s.blocks:
                        user.add_rows(s.metric, s.source, s.schema, rows, revision, told.sequence_max)
        log = Log(directory, store_id, place, manifest.flushed, manifest.closed, self.log_ends)
        for body in log.bodies(self.vault, check_user):
            user = self.users[body.user]
            user.tombstones += body.tombstones
            for part in body.parts:
                self._check_series(body.user, part, directory)
                user.add_rows(part.metric, part.source, part.schema, part.rows, part.revision, part.sequence)

    def _check_series(self, user, series, file, tier_class=None):
        """A series' metric and source are in the catalog, with the same schema."""
        metric = self.catalog.metrics.get(series.metric)
        if metric is None:
            raise Damage(f"{file}: rows of metric {series.metric}, which the catalog does not know")
        if metric.schema != series.schema:
            raise Damage(f"{file}: rows of metric {series.metric} in another schema than the catalog's")
        if tier_class not in (None, metric.tier_class):
            raise Damage(f"{file}: rows of metric {series.metric} in a file of class {tier_class}")
        if (user, series.source) not in self.source_names:
            raise Damage(f"{file}: rows of source {series.source} of user {user}, which the catalog does not know")


def _check_told(segment, told):
    """What the manifest says of a segment is what its footer says."""
    footer = segment.footer
    if footer.hash != told.footer_hash:
        raise Damage(f"{segment.path}: offset {told.bytes - 8}: footer hash {footer.hash:#018x}, "
                     f"the manifest names {told.footer_hash:#018x}")
    pairs = [(name, getattr(footer, name), getattr(told, name)) for name in (
        "tier", "tier_class", "partition", "sequence_min", "sequence_max", "user_min", "user_max", "rows", "begin_min",
        "begin_max", "end_max", "tombstones", "tombstone_begin", "tombstone_end")]
    for name, found, expected in pairs + [("file_bytes", footer.file_bytes, told.bytes)]:
        if found != expected:
            raise Damage(f"{segment.path}: {name} is {found} in the footer, {expected} in the manifest")
