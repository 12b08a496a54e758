//! Other people's tools look at the interface: one reads its description, one asks everything that it describes and
//! much that it does not, one checks a message's signature.
//!
//! `tests/run` installs them from PyPI; without them these are noted as left out.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;
use xunyuan_tests::process::{Branch, patrol, xunyuan};
use xunyuan_tests::receiver::Receiver;
use xunyuan_tests::skip::python;

use super::finding;

fn good(output: &Output) {
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", said(&output.stdout), said(&output.stderr));
}

#[test]
fn the_description_is_a_valid_one() {
    let Some(python) = python() else { return };
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sync-server/openapi.json");
    good(&Command::new(python).args(["-m", "openapi_spec_validator"]).arg(document).output().unwrap());
}

/// Asks for everything that is there and checks each answer against the description that the server gives.
const ASK_ALL: &str = "
import sys, json, urllib.request, jsonschema
url, token = sys.argv[1:]
def get(path):
    request = urllib.request.Request(url + path, headers={'Authorization': 'Bearer ' + token})
    return json.load(urllib.request.urlopen(request))
described = get('/v1/openapi.json')
def checked(path, name):
    schema = {'$ref': '#/components/schemas/' + name, 'components': described['components']}
    answer = get(path)
    jsonschema.Draft202012Validator(schema).validate(answer)
    return answer
records = checked('/v1/records', 'Records')['records'] + checked('/v1/records?since=', 'Records')['records']
whole = [checked('/v1/records/' + record['id'], 'WholeRecord') for record in records]
assert any(record['kind'] == 'inspection' for record in whole) and any(record['grade'] for record in whole)
assert checked('/v1/duties?all=1', 'Duties')['duties']
reports = checked('/v1/reports', 'Reports')['reports']
kinds = {'day', 'week', 'month', 'quarter', 'year'}
made = [checked('/v1/reports/' + one['id'], 'Table') for one in reports if set(one['periods']) & kinds]
assert len(made) > 3
";

#[test]
fn every_route_for_programs_keeps_to_its_description() {
    let Some(python) = python() else { return };
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let a = branch.enroll("u.pt01", &dir.path().join("a"));
    finding(&a);
    let _ = patrol(&a, &[]);
    let _ = xunyuan(&a, &["sync"]).good();
    let rights = "records:read,duties:read,reports:read";
    let made = ["token", "create", "--user", "u.bcm01", "--name", "x", "--right", rights];
    let token = branch.command(&made).good().json["token"].as_str().unwrap().to_owned();
    good(&Command::new(&python).args(["-c", ASK_ALL, &branch.url(), &token]).output().unwrap());
    let output = Command::new(python.with_file_name("schemathesis"))
        .args(["run", &format!("{}/v1/openapi.json", branch.url())])
        .args(["--include-path-regex", "^/(v1/(records|duties|reports|openapi)|healthz)"])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--max-examples", "25", "--seed", "1", "--workers", "2", "--request-timeout", "20"])
        .args(["--phases", "coverage,fuzzing", "--no-color"])
        // Ids are those of the organisation, which no description knows: others are refused, and rightly so.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    good(&output);
}

const VERIFY: &str = "
import sys, json, urllib.request, jsonschema
from standardwebhooks import Webhook
url, secret, message, timestamp, signature, body = sys.argv[1:]
headers = {'webhook-id': message, 'webhook-timestamp': timestamp, 'webhook-signature': signature}
told = Webhook(secret).verify(body, headers)
described = json.load(urllib.request.urlopen(url + '/v1/openapi.json'))
schema = {'$ref': '#/components/schemas/Told', 'components': described['components']}
jsonschema.Draft202012Validator(schema).validate(told)
print(told['type'])
";

#[test]
fn a_stock_library_takes_the_signature_and_the_body_is_as_described() {
    let Some(python) = python() else { return };
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let receiver = Receiver::answering(&[200]);
    let events = "finding.created,record.grave,change.refused";
    let arguments = ["webhook", "add", &receiver.url(), "--name", "x", "--event", events];
    let added = branch.command(&arguments).good().json;
    let a = branch.enroll("u.pt01", &dir.path().join("a"));
    finding(&a);
    // What a device sends after it was revoked is refused.
    let _ = patrol(&a, &[]);
    let code = branch.command(&["devices"]).good().json[0]["code"].as_str().unwrap().to_owned();
    let _ = branch.command(&["revoke", &code]).good();
    let _ = xunyuan(&a, &["sync"]);
    let url = branch.url();
    for (got, kind) in receiver.wait_for(3).iter().zip(events.split(',')) {
        let [message, timestamp, signature] =
            ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| got.header(name));
        let secret = added["secret"].as_str().unwrap();
        let arguments = [&url, secret, message, timestamp, signature, &got.body];
        let verified = Command::new(&python).args(["-c", VERIFY]).args(arguments).output().unwrap();
        good(&verified);
        assert_eq!(String::from_utf8_lossy(&verified.stdout).trim(), kind);
    }
}
