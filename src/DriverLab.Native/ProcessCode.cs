namespace DriverLab.Native;

/// <summary>The machine code that a <see cref="TaskProcess"/> is made of. It uses neither stack nor thread-local storage nor libc: those belong to the thread that started it.</summary>
internal static unsafe class ProcessCode
{
    private static readonly Lazy<nint> s_page = new(static () => ExecutablePage.Load(Code));

    /// <summary>clone(2) with these flags. The child answers the mailbox from then on; here comes its id, or a negated errno.</summary>
    /// <remarks>The caller has blocked every signal: a handler would run on a stack that is in use.</remarks>
    internal static nint Start(Mailbox* mail, nint flags) => ((delegate* unmanaged<Mailbox*, nint, nint>)s_page.Value)(mail, flags);

    /// <summary>Brings the code into memory.</summary>
    internal static void Prepare() => _ = s_page.Value;

    // The mailbox comes in rdi and the flags in rsi. Of a clone that was posted, the child goes on with the mailbox that is its sixth argument.
    private static ReadOnlySpan<byte> Code =>
    [
        0x53, // push rbx
        0x41, 0x54, // push r12
        0x48, 0x89, 0xfb, // mov rbx, rdi
        0x48, 0x89, 0xf7, // mov rdi, rsi
        0x31, 0xf6, // xor esi, esi
        0x31, 0xd2, // xor edx, edx
        0x45, 0x31, 0xd2, // xor r10d, r10d
        0x45, 0x31, 0xc0, // xor r8d, r8d
        0xb8, 0x38, 0x00, 0x00, 0x00, // mov eax, 56 (clone)
        0x0f, 0x05, // syscall
        0x48, 0x85, 0xc0, // test rax, rax
        0x74, 0x04, // jz born
        0x41, 0x5c, // pop r12
        0x5b, // pop rbx
        0xc3, // ret
        0x41, 0xbc, 0x01, 0x00, 0x00, 0x00, // born: mov r12d, 1
        0x44, 0x89, 0x63, 0x04, // done: mov [rbx+Done], r12d
        0x0f, 0xae, 0xf0, // mfence
        0x83, 0x7b, 0x0c, 0x00, // cmp dword [rbx+CallerSleeps], 0
        0x74, 0x15, // je next
        0x48, 0x8d, 0x7b, 0x04, // lea rdi, [rbx+Done]
        0xbe, 0x81, 0x00, 0x00, 0x00, // mov esi, 129 (FUTEX_WAKE_PRIVATE)
        0xba, 0x01, 0x00, 0x00, 0x00, // mov edx, 1
        0xb8, 0xca, 0x00, 0x00, 0x00, // mov eax, 202 (futex)
        0x0f, 0x05, // syscall
        0x41, 0xff, 0xc4, // next: inc r12d
        0x8b, 0x13, // wait: mov edx, [rbx+Posted]
        0x44, 0x39, 0xe2, // cmp edx, r12d
        0x74, 0x14, // je call
        0x48, 0x89, 0xdf, // mov rdi, rbx
        0xbe, 0x80, 0x00, 0x00, 0x00, // mov esi, 128 (FUTEX_WAIT_PRIVATE)
        0x45, 0x31, 0xd2, // xor r10d, r10d
        0xb8, 0xca, 0x00, 0x00, 0x00, // mov eax, 202 (futex)
        0x0f, 0x05, // syscall
        0xeb, 0xe5, // jmp wait
        0x48, 0x8b, 0x43, 0x18, // call: mov rax, [rbx+Number]
        0x48, 0x8b, 0x7b, 0x20, // mov rdi, [rbx+A]
        0x48, 0x8b, 0x73, 0x28, // mov rsi, [rbx+B]
        0x48, 0x8b, 0x53, 0x30, // mov rdx, [rbx+C]
        0x4c, 0x8b, 0x53, 0x38, // mov r10, [rbx+D]
        0x4c, 0x8b, 0x43, 0x40, // mov r8, [rbx+E]
        0x4c, 0x8b, 0x4b, 0x48, // mov r9, [rbx+F]
        0x0f, 0x05, // syscall
        0x48, 0x85, 0xc0, // test rax, rax
        0x75, 0x0d, // jnz result
        0x48, 0x83, 0x7b, 0x18, 0x38, // cmp qword [rbx+Number], 56 (clone)
        0x75, 0x06, // jne result
        0x48, 0x8b, 0x5b, 0x48, // mov rbx, [rbx+F]
        0xeb, 0x8a, // jmp born
        0x48, 0x89, 0x43, 0x50, // result: mov [rbx+Result], rax
        0xeb, 0x8a, // jmp done
    ];
}

/// <summary>Machine code in memory.</summary>
internal static unsafe class ExecutablePage
{
    private const int PageBytes = 4096, ReadWrite = 3, ReadExecute = 5, PrivateAnonymous = 0x22;

    /// <summary>Where the code lies from now on: up to a page of it.</summary>
    internal static nint Load(ReadOnlySpan<byte> code)
    {
        nint page = Libc.Syscall(Nr.Mmap, 0, PageBytes, ReadWrite, PrivateAnonymous, -1, 0);
        code.CopyTo(new Span<byte>((void*)page, PageBytes));
        return Libc.Syscall(Nr.Mprotect, page, PageBytes, ReadExecute, 0, 0, 0) == 0 ? page : throw new PlatformNotSupportedException("No memory can be made executable here.");
    }
}
