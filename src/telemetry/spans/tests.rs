use super::*;

fn recording() -> Box<Recording> {
    let (recorder, _receiver) = queue(1.0);
    recorder.begin(TraceId::random(), Timestamp::from_seconds(1), None)
}

#[test]
fn spans_stand_in_each_other_as_they_were_begun() {
    let mut recording = Some(recording());
    collect(&mut recording, || {
        let mut outer = span("outer");
        drop(statement("SELECT 1"));
        outer.outcome("done");
        drop(outer);
        drop(asking(|| "GET".to_owned()));
    });
    let spans = recording.unwrap().spans;
    let seen: Vec<_> = spans.iter().map(|span| (span.name.as_str(), span.kind, span.within, span.outcome)).collect();
    let expected = [
        ("outer", Kind::Internal, None, Some("done")),
        ("SELECT", Kind::Client, Some(0), None),
        ("GET", Kind::Client, None, None),
    ];
    assert_eq!(seen, expected);
    assert!(spans[0].from <= spans[1].from && spans[1].until <= spans[0].until);
}

#[test]
fn where_nothing_is_recorded_nothing_happens() {
    drop(asking(|| unreachable!("the name of a span that nobody records")));
    assert_eq!((context(), root()), (None, None));
    let mut none = None;
    assert_eq!(collect(&mut none, || 7), 7);
}

#[test]
fn one_request_records_so_many_spans_and_counts_the_rest() {
    let mut recording = Some(recording());
    collect(&mut recording, || (0..MAX_SPANS + 3).for_each(|_| drop(span("a"))));
    let recording = recording.unwrap();
    assert_eq!((recording.spans.len(), recording.missing), (MAX_SPANS, 3));
}

#[test]
fn a_request_that_goes_on_with_another_becomes_a_part_of_its_trace() {
    let mut first = Some(recording());
    let begun = collect(&mut first, root).unwrap();
    let mut second = Some(recording());
    collect(&mut second, || adopt(begun));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(second.context.trace, first.context.trace);
    assert_eq!(second.parent, Some(first.context.span));
    assert_ne!(second.context.span, first.context.span);
    assert_ne!(second.request_id, first.request_id, "each request keeps its own name");
}

#[test]
fn what_is_recorded_survives_a_panic_and_two_requests_do_not_mix() {
    let (mut one, mut other) = (Some(recording()), Some(recording()));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        collect(&mut one, || {
            let _span = span("one");
            collect(&mut other, || drop(span("other")));
            std::panic::resume_unwind(Box::new(()));
        });
    }));
    assert!(panicked.is_err());
    let names =
        |recording: Option<Box<Recording>>| recording.unwrap().spans.into_iter().map(|span| span.name).collect::<Vec<_>>();
    assert_eq!((names(one), names(other)), (vec!["one".to_owned()], vec!["other".to_owned()]));
}

#[test]
fn a_statement_is_named_by_what_it_does_to_which_table() {
    for (sql, name) in [
        ("SELECT id, name FROM clients WHERE id = $1", "SELECT clients"),
        ("INSERT INTO audit_log (id) VALUES ($1)", "INSERT audit_log"),
        ("UPDATE users SET version = $1", "UPDATE users"),
        ("DELETE FROM sessions WHERE hash = $1 RETURNING id", "DELETE sessions"),
        ("SELECT count(*) FROM (SELECT 1)", "SELECT"),
        ("SELECT 1", "SELECT"),
    ] {
        assert_eq!(summary(sql), name);
    }
}
