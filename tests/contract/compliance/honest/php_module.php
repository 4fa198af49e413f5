<?php
// Benefits: what a child benefit pays a household. An honest module in plain PHP; profile: core.
//
// Run by PHP's own server: php -S 127.0.0.1:8080 php_module.php. It needs the input `income`, answers at once and so never looks at a
// deadline, and reads requests with json_decode(), which cannot see duplicate keys, a SHOULD of SPEC.md (OPS-ERR-011).

declare(strict_types=1);

const MODULE = 'child-benefit';
const VERSION = '8.2';
const CONTRACT = '1.0';
const ACTION = 'execute';
const LARGEST_BODY = 8 << 20;

final class Refused extends Exception
{
    public function __construct(public int $status, public string $name, string $message, public array $more = [])
    {
        parent::__construct($message);
    }
}

function envelope(string $status, array $fields): array
{
    $meta = ['took_s' => microtime(true) - $_SERVER['REQUEST_TIME_FLOAT']];
    $form = '/\A00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\z/';
    if (preg_match($form, $_SERVER['HTTP_TRACEPARENT'] ?? '', $found)) {
        $meta['trace_id'] = $found[1];
    }
    $about = ['status' => $status, 'module' => MODULE, 'version' => VERSION, 'contract_version' => CONTRACT];
    return $about + $fields + ['meta' => $meta];
}

function send(int $status, array $body): void
{
    http_response_code($status);
    header('Content-Type: application/json');
    echo json_encode($body, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
}

function invalid(string $pointer, string $what): never
{
    throw new Refused(422, 'INVALID_REQUEST', ($pointer ?: 'the body') . " $what", ['pointer' => $pointer]);
}

function member(mixed $object, string $name, string $at, bool $required = true, mixed $default = null): mixed
{
    if (!$object instanceof stdClass) {
        invalid($at, 'must be an object');
    }
    if (!property_exists($object, $name)) {
        return $required ? invalid("$at/$name", 'is missing') : $default;
    }
    return $object->$name;
}

function text(mixed $value, string $at, int $least, int $most, string $form = '//'): string
{
    if (!is_string($value)) {
        invalid($at, 'must be a string');
    }
    $length = preg_match_all('/./us', $value);
    if ($length < $least || $length > $most || !preg_match($form, $value)) {
        invalid($at, 'is too short, too long, or not of the form that the contract asks for');
    }
    return $value;
}

function identifier(mixed $value, string $at): string
{
    return text($value, $at, 1, 128, '/\A[A-Za-z0-9][A-Za-z0-9._-]*\z/');
}

function items(mixed $value, string $at): array
{
    return is_array($value) ? $value : invalid($at, 'must be an array');
}

function integer(mixed $value, string $at, float $most): int
{
    $whole = is_int($value) || is_float($value) && floor($value) === $value;
    return $whole && $value >= 0 && $value <= $most ? (int) $value : invalid($at, "must be an integer from 0 to $most");
}

function artifact_name(mixed $value, string $at): void
{
    text($value, $at, 1, 255, '/\A(?![A-Za-z]:)[^\x{0}-\x{1f}\x{7f}-\x{9f}\\\\]+\z/u');
    foreach (explode('/', $value) as $part) {
        if (in_array($part, ['', '.', '..'], true) || strlen($part) > 255) {
            invalid($at, 'is not the name of an artifact');
        }
    }
}

function optional(mixed $piece, string $name, string $at, callable $judge): void
{
    $value = member($piece, $name, $at, false);
    if ($value !== null) {
        $judge($value, "$at/$name");
    }
}

function judge_evidence(mixed $piece, string $at): void
{
    foreach (['id', 'kind', 'title'] as $name) {
        text(member($piece, $name, $at), "$at/$name", 1, PHP_INT_MAX);
    }
    $any_text = fn ($value, $at) => text($value, $at, 0, PHP_INT_MAX);
    optional($piece, 'uri', $at, $any_text);
    optional($piece, 'observed_at', $at, $any_text);
    optional($piece, 'artifact', $at, artifact_name(...));
    optional($piece, 'synthetic', $at, fn ($value, $at) => is_bool($value) ?: invalid($at, 'must be true, false or null'));
    foreach (items(member($piece, 'supports', $at, false, []), "$at/supports") as $number => $pointer) {
        text($pointer, "$at/supports/$number", 0, PHP_INT_MAX, '/\A(\/([^~\/]|~[01])*)*\z/u');
    }
}

function judge_step(mixed $step, string $at): void
{
    identifier(member($step, 'module', $at), "$at/module");
    if (!member($step, 'outputs', $at) instanceof stdClass) {
        invalid("$at/outputs", 'must be an object');
    }
    foreach (items(member($step, 'artifacts', $at, false, []), "$at/artifacts") as $number => $file) {
        $here = "$at/artifacts/$number";
        artifact_name(member($file, 'name', $here), "$here/name");
        $media_type = '/\A[A-Za-z0-9!#$&^_.+-]+\/[A-Za-z0-9!#$&^_.+-]+(; ?[ -~]+)?\z/';
        text(member($file, 'media_type', $here), "$here/media_type", 3, 255, $media_type);
        integer(member($file, 'size_bytes', $here), "$here/size_bytes", INF);
        text(member($file, 'sha256', $here), "$here/sha256", 64, 64, '/\A[0-9a-f]{64}\z/');
    }
    foreach (items(member($step, 'evidence', $at, false, []), "$at/evidence") as $number => $piece) {
        judge_evidence($piece, "$at/evidence/$number");
    }
}

function judge(mixed $body): void
{
    $version = text(member($body, 'contract_version', ''), '/contract_version', 3, 16, '/\A(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\z/');
    if (explode('.', $version)[0] !== '1') {
        $more = ['pointer' => '/contract_version', 'details' => ['supported_versions' => [CONTRACT]]];
        throw new Refused(422, 'UNSUPPORTED_VERSION', "contract version $version is not served; send " . CONTRACT, $more);
    }
    foreach (['run_id', 'step_id', 'action'] as $name) {
        identifier(member($body, $name, ''), "/$name");
    }
    text(member($body, 'scenario_id', ''), '/scenario_id', 1, 200);
    if (!member($body, 'inputs', '') instanceof stdClass) {
        invalid('/inputs', 'must be an object');
    }
    $upstream = member($body, 'upstream', '', false, new stdClass());
    if (!$upstream instanceof stdClass || count((array) $upstream) > 1000) {
        invalid('/upstream', 'must be an object of at most 1000 steps');
    }
    foreach ((array) $upstream as $id => $step) {
        $at = '/upstream/' . strtr((string) $id, ['~' => '~0', '/' => '~1']);
        identifier((string) $id, $at);
        judge_step($step, $at);
    }
    $options = member($body, 'options', '', false, new stdClass());
    integer(member($options, 'seed', '/options', false, 0), '/options/seed', 2147483647);
    $above_zero = fn ($value, $at) => (is_int($value) || is_float($value)) && $value > 0 ?: invalid($at, 'must be a number above 0, or null');
    optional($options, 'deadline_s', '/options', $above_zero);
}

function read_body(): mixed
{
    $type = strtolower(trim(explode(';', $_SERVER['CONTENT_TYPE'] ?? '')[0]));
    if ($type !== 'application/json') {
        throw new Refused(415, 'UNSUPPORTED_MEDIA_TYPE', 'send the body as application/json');
    }
    if ((int) ($_SERVER['CONTENT_LENGTH'] ?? 0) > LARGEST_BODY) {
        throw new Refused(413, 'TOO_LARGE', 'the body is larger than ' . LARGEST_BODY . ' bytes');
    }
    try {
        return json_decode(file_get_contents('php://input'), false, 200, JSON_THROW_ON_ERROR);
    } catch (JsonException $error) {
        throw new Refused(400, 'MALFORMED_JSON', 'the body is not JSON: ' . $error->getMessage());
    }
}

function execute(stdClass $inputs): array
{
    $income = $inputs->income ?? null;
    if (!is_int($income) && !is_float($income) || $income < 0) {
        throw new Refused(422, 'INVALID_INPUT', '/inputs/income must be a number, 0 or more', ['pointer' => '/inputs/income']);
    }
    return ['benefit' => round(max(0, 3000 - 0.05 * $income), 2)];
}

function route(): void
{
    $path = $_SERVER['REQUEST_URI'];
    $method = $_SERVER['REQUEST_METHOD'];
    $allowed = ['/health' => 'GET', '/execute' => 'POST'][$path] ?? null;
    if ($allowed === null) {
        throw new Refused(404, 'NOT_FOUND', 'nothing is served at this path');
    }
    if ($method !== $allowed) {
        header("Allow: $allowed");
        throw new Refused(405, 'METHOD_NOT_ALLOWED', "use $allowed");
    }
    if ($path === '/health') {
        $declared = ['contract_versions' => [CONTRACT], 'profiles' => [], 'actions' => [ACTION]];
        send(200, ['status' => 'ok', 'module' => MODULE, 'version' => VERSION] + $declared);
        return;
    }
    $body = read_body();
    judge($body);
    if ($body->action !== ACTION) {
        $more = ['pointer' => '/action', 'details' => ['known_actions' => [ACTION]]];
        throw new Refused(422, 'UNKNOWN_ACTION', 'the action is not known; ' . ACTION . ' is', $more);
    }
    send(200, envelope('success', ['outputs' => (object) execute($body->inputs)]));
}

try {
    route();
} catch (Refused $refused) {
    $error = ['code' => $refused->name, 'message' => $refused->getMessage(), 'retryable' => false];
    send($refused->status, envelope('error', ['error' => $error + $refused->more]));
} catch (Throwable $error) {
    error_log((string) $error);
    send(500, envelope('error', ['error' => ['code' => 'INTERNAL', 'message' => 'the module failed', 'retryable' => false]]));
}
