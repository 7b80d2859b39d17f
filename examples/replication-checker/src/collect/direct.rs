//! Direct mode: MySQL's own protocol.

use crate::connection::{Connection, Failure};
use crate::settings::{DirectHost, Password};
use crate::statements::{Answer, Answers, Statement};

/// Asks everything on one connection.
pub(super) async fn ask(
    host: &DirectHost,
    password: &Password,
    statements: &[Statement],
) -> Result<Answers, String> {
    let mut connection = Connection::open(host, password.expose()).await?;
    let mut answers = Answers::new();
    for (question, statement) in statements {
        let answer = match connection.ask(statement).await {
            Ok(rows) => Answer::Rows(rows),
            Err(Failure::Refused(number, said)) => Answer::Refused(Some(number), said),
            Err(broken @ Failure::Broken(_)) => return Err(broken.to_string()),
        };
        answers.insert(*question, answer);
    }
    connection.close().await;
    Ok(answers)
}
