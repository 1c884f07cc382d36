use std::collections::HashSet;
use std::sync::Mutex;

use super::*;
use crate::engine::IdRemap;
use crate::item::Operation;
use crate::journal::{FORMAT, Header};
use crate::plan::Backlog;
use crate::wire::Answer;

/// A tenant that says yes to everything, and what it was asked.
#[derive(Clone, Debug, Default)]
struct Obliging(Arc<Mutex<Vec<String>>>);

impl Api for Obliging {
    async fn send(&self, request: crate::wire::Request) -> Reply {
        self.0.lock().unwrap().push(format!("{:?}", request.method));
        Reply::Answer(Answer {
            status: 201,
            retry_after: None,
            date: None,
            body: br#"{"id":"7","name":"Wiki"}"#.to_vec(),
        })
    }

    async fn sign_in(&self) -> Result<Duration, SignInError> {
        Ok(Duration::from_secs(3600))
    }
}

struct OneLink;

impl Items for OneLink {
    fn load(&self, number: ItemNumber) -> io::Result<Item<'static>> {
        Ok(serde_json::from_value(serde_json::json!({
            "item": number, "file": 0, "row": 2, "resource": "portal-link", "key": "Wiki", "group": 0,
            "op": "create", "body": {"name": "Wiki"},
        }))?)
    }
}

/// Creates one link with that journal. Answers how it ended, and what the tenant was asked.
async fn create_with(
    journal: impl FnOnce(Journal) -> Journal,
) -> (Result<End, EngineError>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let header = Header {
        format: FORMAT,
        tool: String::new(),
        run: String::new(),
        tenant: String::new(),
        plan_sha256: String::new(),
        settings: serde_json::Value::Null,
        seal: None,
    };
    let created = Journal::create(dir.path(), &header, Timestamp::now()).unwrap();
    let mut backlog = Backlog::default();
    backlog.push(0, Operation::Create, Some(0));
    let workload = Workload {
        ledger: Ledger::new(1),
        backlog,
        in_doubt: Backlog::default(),
        deferred: Backlog::default(),
        id_remap: IdRemap::default(),
        created_by_others: HashSet::new(),
        deleted: HashSet::new(),
        batch_size: None,
        sent_before: Vec::new(),
        journal: journal(created),
    };
    let tenant = Obliging::default();
    let (_stop, stopped) = watch::channel(false);
    let mut engine = Engine::new(tenant.clone(), EngineSettings::default(), stopped);
    let carried = engine.carry_out(workload, &OneLink).await;
    let asked = tenant.0.lock().unwrap().clone();
    (carried.map(|(end, _)| end), asked)
}

#[tokio::test]
async fn a_call_is_sent_only_once_its_intent_is_on_disk() {
    let (end, asked) = create_with(|journal| journal).await;
    assert_eq!(end.unwrap(), End::Finished);
    assert_eq!(asked, ["Post"]);
    let (end, asked) = create_with(Journal::on_a_failing_disk).await;
    assert!(matches!(end, Err(EngineError::Journal(_))), "{end:?}");
    assert_eq!(asked, [""; 0]);
}
