//! `--vertical`, the form of `\G`. Values may span lines, so a line opens a column only when it begins with
//! a name that `SHOW REPLICA STATUS` is known to have; every other line goes on with the value before it.

use super::{OutputError, within_bounds};
use crate::row::Row;

/// The columns of `SHOW REPLICA STATUS` (8.0.22 to 9.7), and those that MariaDB and older servers have
/// instead, so that they are recognised for what they are.
const COLUMNS: [&str; 79] = [
    "Auto_Position",
    "Channel_Name",
    "Connect_Retry",
    "Exec_Source_Log_Pos",
    "Executed_Gtid_Set",
    "Get_Source_public_key",
    "Gtid_IO_Pos",
    "Last_Errno",
    "Last_Error",
    "Last_IO_Errno",
    "Last_IO_Error",
    "Last_IO_Error_Timestamp",
    "Last_SQL_Errno",
    "Last_SQL_Error",
    "Last_SQL_Error_Timestamp",
    "Master_Host",
    "Master_Log_File",
    "Master_Port",
    "Master_SSL_Allowed",
    "Master_Server_Id",
    "Master_UUID",
    "Master_User",
    "Network_Namespace",
    "Read_Master_Log_Pos",
    "Read_Source_Log_Pos",
    "Relay_Log_File",
    "Relay_Log_Pos",
    "Relay_Log_Space",
    "Relay_Source_Log_File",
    "Replica_IO_Running",
    "Replica_IO_State",
    "Replica_SQL_Running",
    "Replica_SQL_Running_State",
    "Replicate_Do_DB",
    "Replicate_Do_Table",
    "Replicate_Ignore_DB",
    "Replicate_Ignore_Server_Ids",
    "Replicate_Ignore_Table",
    "Replicate_Rewrite_DB",
    "Replicate_Wild_Do_Table",
    "Replicate_Wild_Ignore_Table",
    "Retrieved_Gtid_Set",
    "SQL_Delay",
    "SQL_Remaining_Delay",
    "Seconds_Behind_Master",
    "Seconds_Behind_Source",
    "Skip_Counter",
    "Slave_IO_Running",
    "Slave_IO_State",
    "Slave_SQL_Running",
    "Slave_SQL_Running_State",
    "Source_Bind",
    "Source_Host",
    "Source_Info_File",
    "Source_Log_File",
    "Source_Port",
    "Source_Retry_Count",
    "Source_SSL_Allowed",
    "Source_SSL_CA_File",
    "Source_SSL_CA_Path",
    "Source_SSL_Cert",
    "Source_SSL_Cipher",
    "Source_SSL_Crl",
    "Source_SSL_Crlpath",
    "Source_SSL_Key",
    "Source_SSL_Verify_Server_Cert",
    "Source_Server_Id",
    "Source_TLS_Version",
    "Source_UUID",
    "Source_User",
    "Source_public_key_path",
    "Until_Condition",
    "Until_Log_File",
    "Until_Log_Pos",
    "Using_Gtid",
    "Gtid_Slave_Pos",
    "Master_Retry_Count",
    "Master_SSL_CA_File",
    "Relay_Master_Log_File",
];

/// Rows of `--vertical` output. The word `NULL` alone counts as NULL: this form cannot tell them apart,
/// and no column of this statement is ever the word.
pub fn rows(output: &str) -> Result<Vec<Row>, OutputError> {
    within_bounds(output)?;
    let mut rows: Vec<Row> = Vec::new();
    for line in output.lines() {
        if line.starts_with("*****") && line.contains(". row ") {
            rows.push(Row::default());
            continue;
        }
        let Some(row) = rows.last_mut() else {
            if line.trim().is_empty() {
                continue;
            }
            return Err(OutputError("there is text before the first row"));
        };
        if let Some((name, value)) = column(line) {
            row.push(name, (value != "NULL").then(|| value.to_owned()));
        } else if let Some(Some(value)) = row.last_mut() {
            value.push('\n');
            value.push_str(line);
        }
    }
    Ok(rows)
}

/// A line that opens a column.
fn column(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim_start();
    COLUMNS
        .contains(&name)
        .then(|| (name, value.strip_prefix(' ').unwrap_or(value)))
}
