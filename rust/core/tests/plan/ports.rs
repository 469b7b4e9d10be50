//! The port that an apply opens beside the one that we come in by.

use deployctl_core::observed::{Account, Listener};
use deployctl_core::plan::new_port;

use crate::fixture::Case;

#[test]
fn a_new_port_is_known_where_no_gateway_is_on_the_way() {
    for (declared, came_to, listening, expected) in [
        (None, 22, 22, None),
        (Some(22), 22, 22, None),
        (Some(2222), 22, 22, Some(2222)),
        // Both are open since an earlier apply.
        (Some(2222), 22, 2222, None),
        // A gateway calls port 22 of the host another.
        (Some(2222), 2200, 22, None),
    ] {
        let mut case = Case::settled();
        case.target.ssh_port = declared;
        let way_in = &mut case.observed.way_in;
        way_in.account = Some(Account {
            port: came_to,
            ..Account::default()
        });
        way_in.listeners = vec![Listener {
            port: listening,
            pid: 830,
            unit: None,
            program: "sshd".to_owned(),
        }];
        let found = new_port(&case.target, &case.observed);
        assert_eq!(found, expected, "{declared:?} {came_to} {listening}");
    }
}
