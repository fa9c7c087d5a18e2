<?php
// An app as PHP sees its visitors: every header is a variable, in which "-", "_"
// and "." of its name have become the same.
header('Content-Type: application/json');
$seen = array_filter($_SERVER, fn($name) => str_starts_with($name, 'HTTP_') || $name === 'REMOTE_USER', ARRAY_FILTER_USE_KEY);
echo json_encode([
    'greeting' => 'Hello, ' . ($_SERVER['REMOTE_USER'] ?? $_SERVER['HTTP_REMOTE_USER'] ?? 'stranger'),
    'assertion' => $_SERVER['HTTP_X_AUTH_TOKEN'] ?? null,
    'server' => $seen,
    'headers' => getallheaders(),
    'cookies' => $_COOKIE,
]);
