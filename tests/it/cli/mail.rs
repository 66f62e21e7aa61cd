//! `ostiary mail`.

use std::fs;

use crate::program::Program;
use crate::support::mailbox::{Mailbox, Reserved};

fn with(section: &str) -> Program {
    let program = Program::new();
    fs::write(program.folder().join("ostiary.toml"), section).expect("written");
    program
}

fn through(port: u16) -> Program {
    with(&format!(
        "[mail]\ntransport = \"smtp\"\nfrom = \"no-reply@example.org\"\nhost = \"localhost\"\nport = {port}\ntls = \"none\"\n"
    ))
}

#[test]
#[ignore = "needs Python and PyPI packages: scripts/test"]
fn a_mail_is_sent_to_see_whether_it_can_be() {
    let mailbox = Mailbox::start();
    let program = through(mailbox.config().port);
    assert!(program.run(&["mail", "test", "ada@example.org"]).ok().contains("has taken a mail to ada@example.org"));
    assert_eq!(mailbox.next_to("ada@example.org").subject, "Mail works");
    let refused = program.run(&["mail", "test", "refused@example.org"]).fails(1);
    assert!(refused.contains("the recipient (recipient: 550)"), "{refused}");
}

#[tokio::test]
async fn what_is_in_the_way_is_named() {
    let reserved = Reserved::new();
    let complaint = through(reserved.port()).run(&["mail", "test", "ada@example.org"]).fails(1);
    assert!(complaint.contains("mail.host"), "{complaint}");
    assert!(Program::new().run(&["mail", "test", "ada@example.org"]).fails(3).contains("mail.transport"));
    assert!(Program::new().run(&["mail", "test", "ada"]).fails(2).contains("e-mail address"));
    let printed = with("[mail]\ntransport = \"log\"\n").run(&["mail", "test", "ada@example.org"]);
    assert!(printed.stderr.contains("Subject: Mail works"), "{printed:?}");
}
