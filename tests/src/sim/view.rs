//! What a device holds at one moment, record by record, and what has become of it since the moment before.

use std::collections::{BTreeMap, BTreeSet};

use xunyuan_core::definition::Catalog;
use xunyuan_core::id::{ActorId, DefinitionRef, DeviceId, DocumentId, ScopeId, hash_parts};
use xunyuan_core::replica::{ExportedRun, Status};

use crate::world::World;

/// A device at one moment.
#[derive(Debug)]
pub(super) struct View {
    /// Its records, those of which only drafts are left among them.
    pub(super) documents: BTreeMap<DocumentId, Holding>,
    /// How it stands.
    pub(super) status: Status,
    /// What its definitions are.
    pub(super) catalog: Catalog,
    /// Who it is to the branch.
    pub(super) device: DeviceId,
    /// Records of which the person sees a draft.
    pub(super) drafts: BTreeSet<DocumentId>,
    /// Changes in those drafts.
    pub(super) drafted: u32,
}

/// A record at one moment.
#[derive(Clone, Debug)]
pub(super) struct Holding {
    /// Where it belongs; `None` where only drafts are left.
    pub(super) scope: Option<ScopeId>,
    /// What it is a record of.
    pub(super) definition: DefinitionRef,
    /// Rows of the log, those that the branch has lost first.
    pub(super) runs: Vec<ExportedRun>,
    /// Changes that wait.
    pub(super) pending: Vec<Vec<u8>>,
    /// Changes that the branch did not take.
    pub(super) refused: Vec<Vec<u8>>,
    /// Equal as long as nothing of it changes.
    pub(super) shape: [u8; 32],
}

impl Holding {
    fn new(definition: DefinitionRef) -> Self {
        Self {
            scope: None,
            definition,
            runs: Vec::new(),
            pending: Vec::new(),
            refused: Vec::new(),
            shape: [0; 32],
        }
    }

    fn seal(&mut self) {
        let seqs: Vec<u8> = self.runs.iter().flat_map(|run| run.seq.to_be_bytes()).collect();
        let scope = self.scope.as_ref().map_or("", ScopeId::as_str);
        let mut parts: Vec<&[u8]> = vec![scope.as_bytes(), self.definition.hash.as_bytes(), &seqs];
        parts.extend(self.runs.iter().map(|run| run.changes.as_slice()));
        parts.extend(self.pending.iter().map(Vec::as_slice));
        parts.push(b"refused");
        parts.extend(self.refused.iter().map(Vec::as_slice));
        self.shape = hash_parts("holding", &parts);
    }

    /// The packed runs with their authors.
    pub(super) fn packed(&self) -> impl Iterator<Item = (&[u8], ActorId)> {
        self.runs.iter().map(|run| (run.changes.as_slice(), run.actor))
    }
}

impl View {
    /// Looks at a device.
    ///
    /// # Panics
    /// When it cannot be read.
    pub(super) fn of(world: &mut World, device: usize) -> Self {
        let replica = world.replica(device);
        let mut documents: BTreeMap<DocumentId, Holding> = BTreeMap::new();
        for record in replica.export().expect("the replica exports") {
            let holding = documents.entry(record.document).or_insert_with(|| Holding::new(record.definition));
            holding.scope = Some(record.scope);
            holding.runs = record.runs;
            holding.pending = record.pending;
        }
        let status = replica.status().expect("the replica knows how it stands");
        let (mut drafts, mut drafted) = (BTreeSet::new(), 0);
        if status.refused_changes > 0 {
            for change in replica.refused().expect("the replica lists what was refused") {
                let holding =
                    documents.entry(change.document).or_insert_with(|| Holding::new(change.definition));
                holding.refused.push(change.bytes);
            }
            for draft in replica.drafts().expect("drafts can be listed") {
                drafts.insert(draft.document);
                drafted += draft.changes;
            }
        }
        documents.values_mut().for_each(Holding::seal);
        let (catalog, device) = (replica.catalog().clone(), replica.identity().device);
        Self { documents, status, catalog, device, drafts, drafted }
    }

    /// True when it holds a record, not only drafts of it.
    pub(super) fn holds(&self, document: DocumentId) -> bool {
        self.documents.get(&document).is_some_and(|holding| holding.scope.is_some())
    }

    /// Places of the log that it holds in full, by scope; those of rows that the branch has lost among them.
    pub(super) fn seqs(&self) -> BTreeMap<&ScopeId, Vec<u64>> {
        let mut seqs: BTreeMap<&ScopeId, Vec<u64>> = BTreeMap::new();
        for holding in self.documents.values() {
            if let Some(scope) = &holding.scope {
                seqs.entry(scope).or_default().extend(holding.runs.iter().map(|run| run.seq));
            }
        }
        seqs.values_mut().for_each(|seqs| seqs.sort_unstable());
        seqs
    }
}
