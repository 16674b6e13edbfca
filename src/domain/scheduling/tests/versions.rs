//! The order of versions: SEQUENCE, then DTSTAMP (RFC 5546 §2.1.5).

use super::*;

#[test]
fn older_versions_change_nothing() {
    let office = Office::new();
    let version = |number: u32, stamp: &str, room: &str| {
        let text = event(
            "REQUEST",
            &format!(
                "SEQUENCE:{number}\r\nDTSTAMP:{stamp}\r\nSUMMARY:Out\r\nLOCATION:{room}\r\n\
                 DTSTART:20260811T100000Z\r\nDTEND:20260811T110000Z\r\n\
                 ORGANIZER:mailto:dora@else.example\r\nATTENDEE:mailto:ben@office.example\r\n"
            ),
        );
        office.arrive(office.ben, &mail("dora@else.example", &text))
    };
    let room =
        |name: &str| assert!(office.text(office.ben).contains(&format!("LOCATION:{name}\r\n")));
    assert!(matches!(version(2, "20260801T100000Z", "A")[..], [Done::Added(..)]));
    assert!(matches!(version(1, "20260801T110000Z", "B")[..], [Done::Nothing(_)]));
    assert!(matches!(version(2, "20260801T090000Z", "C")[..], [Done::Nothing(_)]));
    room("A");
    assert!(matches!(version(2, "20260801T100001Z", "D")[..], [Done::Changed(..)]));
    room("D");
    assert!(matches!(version(3, "20250801T100001Z", "E")[..], [Done::Changed(..)]));
    room("E");
    let old = event(
        "CANCEL",
        "SEQUENCE:2\r\nDTSTAMP:20270801T100000Z\r\nORGANIZER:mailto:dora@else.example\r\n",
    );
    assert!(matches!(
        office.arrive(office.ben, &mail("dora@else.example", &old))[..],
        [Done::Nothing(_)]
    ));
    room("E");
}
