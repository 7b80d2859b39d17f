//! PM2 itself with the file of `deploy/pm2`.
